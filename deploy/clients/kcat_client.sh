#!/bin/bash
# kcat, on librdkafka: `kcat_client.sh produce SERVERS TOPIC`, or `consume SERVERS TOPIC COUNT`.
set -euo pipefail
case $1 in
    version) kcat -V | sed -n 's/^Version \([0-9.]*\) .*librdkafka \([0-9.]*\).*/\1 (librdkafka \2)/p' ;;
    produce) kcat -P -b "$2" -t "$3" -K $'\t' -X partitioner=murmur2_random -X acks=all ;;
    consume) kcat -C -b "$2" -t "$3" -o beginning -c "$4" -q ;;
esac
