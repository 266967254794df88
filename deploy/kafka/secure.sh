# Read by kafka.sh: what makes its one broker ask who comes, and allow only what ACLs allow.
#
# Users NAME with password NAME-secret, by SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN: admin (may do everything), worker,
# those of `secure_users`. Under KAFKA_HOME_DIR/secure, all PEM: ca.pem (signs the rest), broker.pem and
# worker.pem with their keys in broker-key.pem and worker-key.pem; other-ca.pem signs nothing.
secure_users="admin worker cases console gateway history webhooks topics publisher label-publisher reader analyst"

certificates() { # DIRECTORY
    command -v openssl >/dev/null || fail "--secure needs openssl: apt-get install openssl"
    local name
    (
        mkdir -p "$1" && cd "$1"
        for name in ca other-ca; do
            openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$name" \
                -addext keyUsage=critical,keyCertSign -keyout $name-key.pem -out $name.pem
        done
        for name in broker worker; do
            openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout $name-key.pem -out $name.csr
            openssl x509 -req -days 30 -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out $name.pem \
                -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost")
        done
        cat broker-key.pem broker.pem >broker-store.pem
    ) >"$1.log" 2>&1 || { cat "$1.log" >&2; fail "the certificates could not be made"; }
    rm -f "$1.log"
}

scram_users() { # arguments of StorageTool format, one a line
    local user mechanism
    for user in $secure_users; do
        for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
            printf -- '--add-scram\n%s=[name=%s,password=%s-secret]\n' $mechanism "$user" "$user"
        done
    done
}

secure_broker() { # HOME PORT: properties over those of kafka.sh; what is said last counts
    local home=$1 port=$2 plain="" user
    certificates "$home/secure"
    for user in $secure_users; do plain="$plain user_$user=\"$user-secret\""; done
    cat <<PROPERTIES
listeners=CLIENTS://127.0.0.1:$port,CERTIFIED://127.0.0.1:$((port + 1)),CONTROLLER://127.0.0.1:$((port + 3))
advertised.listeners=CLIENTS://127.0.0.1:$port,CERTIFIED://127.0.0.1:$((port + 1))
listener.security.protocol.map=CLIENTS:SASL_SSL,CERTIFIED:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CERTIFIED
ssl.keystore.type=PEM
ssl.keystore.location=$home/secure/broker-store.pem
ssl.truststore.type=PEM
ssl.truststore.location=$home/secure/ca.pem
ssl.endpoint.identification.algorithm=
listener.name.certified.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=(.*)\$/\$1/
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.clients.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.clients.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.clients.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required$plain;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:broker;User:ANONYMOUS
PROPERTIES
}
