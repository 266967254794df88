#!/bin/bash
# One Apache Kafka broker (KRaft) on loopback, for tests and trials; needs Java 17 and Maven, no Docker.
#
#   deploy/kafka/kafka.sh start [PORT]   fetch the jars once, start, wait until it serves; prints host:port
#   deploy/kafka/kafka.sh stop           stop it and remove its data
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home=${KAFKA_HOME_DIR:-$here/../../.kafka}
port=${2:-19092}
controller=$((port + 1))

java_main() { java -Xmx768m -cp "$home/libs/*" -Dlog4j2.configurationFile="$here/log4j2.properties" "$@"; }

serves() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

start() {
    mkdir -p "$home"
    if [ ! -d "$home/libs" ]; then
        mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies \
            -DoutputDirectory="$home/libs.part" -DincludeScope=runtime >&2
        mv "$home/libs.part" "$home/libs"
    fi
    rm -rf "$home/data"
    cat >"$home/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$home/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
PROPERTIES
    java_main kafka.tools.StorageTool format -t "$(java_main kafka.tools.StorageTool random-uuid)" \
        -c "$home/server.properties" >"$home/kafka.log" 2>&1
    java_main kafka.Kafka "$home/server.properties" >>"$home/kafka.log" 2>&1 &
    echo $! >"$home/kafka.pid"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        if serves; then
            echo "127.0.0.1:$port"
            return
        fi
        kill -0 "$(cat "$home/kafka.pid")" 2>/dev/null || break
        sleep 1
    done
    echo "kafka.sh: Kafka did not start; the end of $home/kafka.log:" >&2
    tail -n 20 "$home/kafka.log" >&2
    exit 1
}

stop() {
    [ -f "$home/kafka.pid" ] || return 0
    pid=$(cat "$home/kafka.pid")
    kill "$pid" 2>/dev/null || true
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 1
    done
    kill -9 "$pid" 2>/dev/null || true
    rm -rf "$home/kafka.pid" "$home/data"
}

case ${1:-} in
    start) start ;;
    stop) stop ;;
    *) sed -n '2,6p' "$0"; exit 2 ;;
esac
