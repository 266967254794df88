#!/bin/bash
# Runs Kafka clients against a broker and prints which of them can publish payments and read decisions in each codec.
#
#   deploy/clients/run.sh                 the embedded broker
#   deploy/clients/run.sh HOST:PORT       a broker that serves, such as that of `make kafka`
#
# Clients are installed once, from the registries of their languages, under CLIENTS_HOME_DIR (.clients in this
# repository). Those whose tools are missing are left out: kcat (apt-get install kcat), node and npm, go, java and the
# jars of deploy/kafka/kafka.sh. Nothing else of the machine is changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
home=${CLIENTS_HOME_DIR:-$root/.clients}
libs=${KAFKA_LIBS_DIR:-${KAFKA_HOME_DIR:-$root/.kafka}/libs}
confluent_versions=(2.3.0 2.4.0 2.16.1)
python=$root/.venv/bin/python
mkdir -p "$home" && home=$(cd "$home" && pwd)

skipped() { echo "run.sh: without $1: $2" >&2; }

python_client() { # DIRECTORY REQUIREMENT...
    local directory=$home/$1
    shift
    [ -x "$directory/bin/python" ] && return
    "$python" -m venv "$directory"
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "$@" || rm -r "$directory"
}

install() {
    for version in "${confluent_versions[@]}"; do
        python_client "confluent-$version" "confluent-kafka==$version" || skipped "confluent-kafka $version" "not installed"
    done
    python_client kafka-python kafka-python==3.0.12 python-snappy lz4 zstandard || skipped kafka-python "not installed"
    if command -v npm >/dev/null && [ ! -d "$home/kafkajs/node_modules" ]; then
        mkdir -p "$home/kafkajs"
        (cd "$home/kafkajs" && npm install --no-fund --no-audit --silent kafkajs@2.2.4 kafkajs-snappy@1.1.0 kafkajs-lz4@1.2.1) ||
            skipped kafkajs "npm cannot install it"
    fi
    if command -v go >/dev/null && [ ! -d "$home/go" ]; then
        (cd "$here/go" && go build -o "$home/go/" ./...) || skipped "the Go clients" "go cannot build them"
    fi
}

rows() { # NAME TAB VERSION TAB COMMAND, one client a line
    row() { printf '%s\t%s\t%s\n' "$@"; }
    row aiokafka "" "$python $here/aiokafka_client.py"
    if command -v kcat >/dev/null; then row kcat "" "$here/kcat_client.sh"; else skipped kcat "not installed"; fi
    for version in "${confluent_versions[@]}"; do
        [ ! -d "$home/confluent-$version" ] ||
            row confluent-kafka "" "$home/confluent-$version/bin/python $here/confluent_client.py"
    done
    [ ! -d "$home/kafka-python" ] || row kafka-python "" "$home/kafka-python/bin/python $here/kafka_python_client.py"
    if [ -d "$home/kafkajs/node_modules" ]; then
        row kafkajs "" "env KAFKAJS_HOME=$home/kafkajs node $here/kafkajs_client.js"
        row "kafkajs, with kafkajs-snappy and kafkajs-lz4" "" \
            "env KAFKAJS_HOME=$home/kafkajs KAFKAJS_CODECS=yes node $here/kafkajs_client.js"
    else
        skipped kafkajs "needs node and npm"
    fi
    if [ -d "$home/go" ]; then
        row franz-go "$(go_version twmb/franz-go)" "$home/go/franz"
        row Sarama "$(go_version IBM/sarama)" "$home/go/sarama"
        row "segmentio/kafka-go" "$(go_version segmentio/kafka-go)" "$home/go/kafkago"
    else
        skipped "the Go clients" "they need go"
    fi
    if command -v java >/dev/null && [ -d "$libs" ]; then
        row "Java, kafka-clients" "" "java -cp $libs/* $here/KafkaClient.java"
    else
        skipped Java "needs java, and \`make kafka\` once for the jars"
    fi
}

go_version() { sed -n "s|.*github.com/$1 v||p" "$here/go/go.mod"; }

install
rows | PYTHONPATH=$root "$python" "$here/matrix.py" "$@"
