#!/bin/sh
# Checks the chart and the plain manifests: helm lint, kubeconform with Kubernetes' schemas, kube-score. deploy/check.sh calls
# it once the tools are there. Custom resources (KEDA, the Prometheus operator) have no schema here, so kubeconform skips them.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

helm lint --strict chart >"$work/lint" 2>&1 || { cat "$work/lint" >&2; exit 1; }
mkdir "$work/manifests"
cp plain/*.yaml "$work/manifests"
# Each part, and each form of the workers.
render() { # file name, values
    file=$1
    shift
    helm template fraudstream chart --namespace fraudstream --kube-version 1.30.0 "$@" >"$work/manifests/$file" 2>"$work/errors" ||
        { cat "$work/errors" >&2; exit 1; }
}
render every-part.yaml --set history.enabled=true,backup.enabled=true,console.evidence.enabled=true,gateway.enabled=true,webhooks.enabled=true,bridge.enabled=true --set-json 'bridge.arguments=["--from","bank.transfers","--format","pacs.008"]'
render several-partitions.yaml --set worker.replicas=3,worker.partitions=12,settings.worker.standby=false,worker.autoscaling.enabled=true
python3 rules_values.py ../../rules >"$work/rules.values.yaml"
render own-rules.yaml --values "$work/rules.values.yaml" --set worker.secretName=kafka-user

versions=$(python3 schemas.py "$work/schemas")
for version in $versions; do
    kubeconform -strict -summary -kubernetes-version "$version" -skip PrometheusRule,ScaledObject,ServiceMonitor \
        -schema-location "$work/schemas/{{ .NormalizedKubernetesVersion }}/{{ .ResourceKind }}{{ .KindSuffix }}.json" "$work/manifests"
done

# Not asked for: limits of CPU (a throttled worker decides late), pulling an image of a fixed version again at each start,
# requests of ephemeral storage (the volumes have size limits).
kube-score score --kubernetes-version v1.30 --output-format ci --ignore-container-cpu-limit \
    --ignore-test container-image-pull-policy,container-ephemeral-storage-request-and-limit "$work"/manifests/*.yaml >"$work/score" ||
    { grep CRITICAL "$work/score" >&2; exit 1; }
echo "deploy/kubernetes/check.sh: ok (Kubernetes $(echo "$versions" | tr '\n' ' '))"
