#!/bin/bash
# Apache Kafka (KRaft) on loopback, one broker or three, for tests and trials; needs Java 17 and Maven, no Docker.
#
#   deploy/kafka/kafka.sh start [--brokers 3] [--secure] [PORT]
#                              fetch the jars once, start, wait until it serves; prints host:port[,host:port...]
#   deploy/kafka/kafka.sh run [PORT]          one broker in the foreground, until a signal ends it; its data stays
#   deploy/kafka/kafka.sh fetch               only fetch the jars, or say what is missing
#   deploy/kafka/kafka.sh stop                stop all and remove the data
#   deploy/kafka/kafka.sh stop-broker N       stop broker N (1, 2, 3) in good order; its data stays
#   deploy/kafka/kafka.sh kill-broker N       kill -9; its data stays
#   deploy/kafka/kafka.sh start-broker N      start it again and wait until it serves
#
# Ports: broker N listens at PORT+N-1 (19092 unless said), its controller at PORT+N+2. Everything is kept under
# KAFKA_HOME_DIR (.kafka in this repository): broker-N/pid, broker-N/log, broker-N/data.
#
# --secure: one broker that asks for SASL_SSL with a user of its own (SCRAM, PLAIN) at PORT, for a client certificate
# at PORT+1, and allows what ACLs allow. User `admin` may do everything. Certificates and users: see secure.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${KAFKA_HOME_DIR:-$here/../../.kafka}
mkdir -p "$home" && home=$(cd "$home" && pwd)
libs=${KAFKA_LIBS_DIR:-$home/libs}
start_s_max=120 stop_s_max=20

fail() { echo "kafka.sh: $1" >&2; exit 1; }

java_main() { # becomes the JVM: always run in a subshell, whose pid is then the JVM's
    exec java -Xmx512m -cp "$libs/*" -Dlog4j2.configurationFile="$here/log4j2.properties" "$@"
}

fetch() {
    local major
    command -v java >/dev/null || fail "It needs Java 17 or later: apt-get install openjdk-17-jre-headless"
    major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    [ "${major:-0}" -ge 17 ] || fail "It needs Java 17 or later, not ${major:-an unknown version}: apt-get install openjdk-17-jre-headless"
    [ -d "$libs" ] && return
    command -v mvn >/dev/null || fail "It needs Maven to fetch Kafka: apt-get install maven"
    rm -rf "$libs.part"
    mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$libs.part" -DincludeScope=runtime >&2
    mv "$libs.part" "$libs"
}

configure() { # N BROKERS PORT: write the configuration of broker N
    local n=$1 brokers=$2 port=$3 voters="" isr=$(($2 > 1 ? 2 : 1))
    for i in $(seq "$brokers"); do voters="$voters${voters:+,}$i@127.0.0.1:$((port + i + 2))"; done
    cat <<PROPERTIES
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:$((port + n - 1)),CONTROLLER://127.0.0.1:$((port + n + 2))
advertised.listeners=PLAINTEXT://127.0.0.1:$((port + n - 1))
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$home/broker-$n/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=500
default.replication.factor=$brokers
min.insync.replicas=$isr
offsets.topic.replication.factor=$brokers
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=$brokers
transaction.state.log.min.isr=$isr
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=$brokers
share.coordinator.state.topic.min.isr=$isr
PROPERTIES
}

cluster_id() { echo "${KAFKA_CLUSTER_ID:-$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c 1-22)}"; }

format() { # N CLUSTER [OPTION...]: prepare the data directory of broker N
    local n=$1 cluster=$2
    shift 2
    (java_main kafka.tools.StorageTool format -t "$cluster" -c "$home/broker-$n/server.properties" "$@") \
        >"$home/broker-$n/log" 2>&1 || { cat "$home/broker-$n/log" >&2; fail "broker $n: its storage could not be formatted"; }
}

alive() { [ -f "$home/broker-$1/pid" ] && kill -0 "$(cat "$home/broker-$1/pid")" 2>/dev/null; }

launch() { # N
    alive "$1" && fail "broker $1 is running already (pid $(cat "$home/broker-$1/pid"))"
    : >"$home/broker-$1/log"
    java_main kafka.Kafka "$home/broker-$1/server.properties" </dev/null >>"$home/broker-$1/log" 2>&1 &
    echo $! >"$home/broker-$1/pid"
}

await() { # N: until it has said that it serves
    local limit=$((SECONDS + start_s_max))
    until grep -q "Kafka Server started" "$home/broker-$1/log"; do
        if ! alive "$1" || [ $SECONDS -ge $limit ]; then
            echo "kafka.sh: broker $1 did not start; the end of $home/broker-$1/log:" >&2
            tail -n 20 "$home/broker-$1/log" >&2
            return 1
        fi
        sleep 0.2
    done
}

send() { ! alive "$2" || kill "-$1" "$(cat "$home/broker-$2/pid")" 2>/dev/null || true; }

end() { # SIGNAL N...: all of them at once, and wait until they are gone
    local signal=$1 limit=$((SECONDS + stop_s_max)) n
    shift
    for n in "$@"; do send "$signal" "$n"; done
    for n in "$@"; do send CONT "$n"; done # one that is held by SIGSTOP has to hear it
    for n in "$@"; do
        while alive "$n"; do
            [ $SECONDS -lt $limit ] || send KILL "$n"
            sleep 0.1
        done
        rm -f "$home/broker-$n/pid"
    done
}

start() {
    local brokers=1 secure="" port=19092
    while [ $# -gt 0 ]; do
        case $1 in
            --brokers) brokers=$2; shift 2 ;;
            --secure) secure=yes; shift ;;
            *[!0-9]* | "") fail "unknown argument '$1'; a port is a number" ;;
            *) port=$1; shift ;;
        esac
    done
    case $brokers in 1 | 3) ;; *) fail "--brokers $brokers: one or three" ;; esac
    [ -z "$secure" ] || [ "$brokers" = 1 ] || fail "--secure goes with one broker"
    for n in 1 2 3; do ! alive $n || fail "a broker runs in $home already; \`kafka.sh stop\` ends it"; done
    fetch
    rm -rf "$home"/broker-[123] "$home/secure"
    local cluster scram=() addresses=""
    cluster=$(cluster_id)
    for n in $(seq "$brokers"); do
        mkdir -p "$home/broker-$n"
        configure "$n" "$brokers" "$port" >"$home/broker-$n/server.properties"
    done
    if [ -n "$secure" ]; then
        # shellcheck source=deploy/kafka/secure.sh
        . "$here/secure.sh"
        secure_broker "$home" "$port" >>"$home/broker-1/server.properties"
        mapfile -t scram < <(scram_users)
    fi
    for n in $(seq "$brokers"); do
        format "$n" "$cluster" ${scram[@]+"${scram[@]}"}
        launch "$n"
        addresses="$addresses${addresses:+,}127.0.0.1:$((port + n - 1))"
    done
    for n in $(seq "$brokers"); do await "$n" || { end KILL 1 2 3; exit 1; }; done
    echo "$addresses"
}

run() { # becomes the broker
    fetch
    rm -rf "$home/broker-1"
    mkdir -p "$home/broker-1"
    configure 1 1 "${1:-19092}" >"$home/broker-1/server.properties"
    format 1 "$(cluster_id)"
    java_main kafka.Kafka "$home/broker-1/server.properties"
}

stop() {
    end TERM 1 2 3
    rm -rf "$home"/broker-[123] "$home/secure"
}

known() { [ -f "$home/broker-${1:-}/server.properties" ] || fail "no broker '${1:-}' was started in $home"; }

case ${1:-} in
    start) shift; start "$@" ;;
    run) shift; run "$@" ;;
    fetch) fetch ;;
    stop) stop ;;
    start-broker) known "${2:-}"; launch "$2"; await "$2" ;;
    stop-broker) known "${2:-}"; end TERM "$2" ;;
    kill-broker) known "${2:-}"; end KILL "$2" ;;
    *) sed -n '2,18p' "$0" | cut -c 3-; exit 2 ;;
esac
