#!/bin/bash
# A schema registry (Apicurio) on loopback, in memory, for tests and trials; needs Java 17 and Maven, no Docker.
#
#   deploy/registry/registry.sh start [PORT]   fetch it once, start, wait until it serves; prints the URL of Confluent's API
#   deploy/registry/registry.sh stop           stop it; its schemas are gone
#
# Everything is kept under REGISTRY_HOME_DIR (.registry in this repository): app, pid, log. PORT is 18081 unless said.
set -euo pipefail
version=2.6.13.Final
here=$(cd "$(dirname "$0")" && pwd)
home=${REGISTRY_HOME_DIR:-$here/../../.registry}
start_s_max=120
mkdir -p "$home" && home=$(cd "$home" && pwd)
app=$home/app-$version

fail() { echo "registry.sh: $1" >&2; exit 1; }

fetch() {
    command -v java >/dev/null || fail "It needs Java 17 or later: apt-get install openjdk-17-jre-headless"
    [ -d "$app" ] && return
    command -v mvn >/dev/null || fail "It needs Maven to be fetched: apt-get install maven"
    rm -rf "$app.part" && mkdir "$app.part"
    mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
        -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" -DoutputDirectory="$app.part" >&2
    tar xzf "$app.part"/*.tar.gz -C "$app.part" && rm "$app.part"/*.tar.gz
    mv "$app.part" "$app"
}

serves() { python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "$1/subjects" 2>/dev/null; }

start() {
    local port=${1:-18081} url
    url=http://127.0.0.1:$port/apis/ccompat/v7
    fetch
    [ ! -e "$home/pid" ] || ! kill -0 "$(cat "$home/pid")" 2>/dev/null || fail "It runs already: stop it first."
    java -Xmx256m -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" \
        -jar "$app/apicurio-registry-app-$version-runner.jar" >"$home/log" 2>&1 &
    echo $! >"$home/pid"
    for _ in $(seq "$start_s_max"); do
        serves "$url" && echo "$url" && return
        kill -0 "$(cat "$home/pid")" 2>/dev/null || break
        sleep 1
    done
    fail "It does not serve: see $home/log"
}

stop() {
    [ -e "$home/pid" ] || return 0
    kill "$(cat "$home/pid")" 2>/dev/null || true
    rm -f "$home/pid"
}

case ${1:-} in
start) start "${2:-}" ;;
stop) stop ;;
*) fail "usage: registry.sh start [PORT] | stop" ;;
esac
