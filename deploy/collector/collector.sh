#!/bin/bash
# A collector of OpenTelemetry with OTLP alone, for tests and trials; needs Go 1.25 or later, and three minutes of CPU.
#
#   deploy/collector/collector.sh build        build it into Go's directory of programs; prints its path
#
# Any other distribution of the collector serves as well: the tests take that in FRAUDSTREAM_TEST_COLLECTOR.
set -euo pipefail
builder=go.opentelemetry.io/collector/cmd/builder@v0.165.0
name=otelcol-fraudstream
here=$(cd "$(dirname "$0")" && pwd)

fail() { echo "collector.sh: $1" >&2; exit 1; }

build() {
    command -v go >/dev/null || fail "It needs Go: https://go.dev/dl, or Debian: apt-get install golang"
    local programs
    programs=$(go env GOPATH)/bin
    built=$(mktemp -d)
    trap 'rm -rf "$built"' EXIT
    sed "s|^dist:|dist:\n  output_path: $built|" "$here/builder.yaml" >"$built/builder.yaml"
    go run "$builder" --config="$built/builder.yaml" >"$built/log" 2>&1 || { tail -n 20 "$built/log" >&2; fail "It was not built."; }
    mkdir -p "$programs" && mv "$built/$name" "$programs/$name"
    echo "$programs/$name"
}

case ${1:-} in
    build) build ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
