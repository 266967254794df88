#!/bin/sh
# Checks everything under deploy/ that can be checked without running it. A tool that is missing is named, and fails the check
# unless its name is in SKIP ("promtool compose kubernetes"): a check that did not run must not look like one that passed.
set -eu
cd "$(dirname "$0")/.."

missing() { # name of the tool, how to get it
    case " ${SKIP:-} " in
        *" $1 "*) echo "deploy/check.sh: not checked, $1 is missing ($2)" ;;
        *) echo "deploy/check.sh: $1 is missing: $2; or leave it out with SKIP=\"$1\"" >&2; exit 1 ;;
    esac
}

if command -v promtool >/dev/null; then
    promtool check config deploy/prometheus/prometheus.yml
    promtool test rules deploy/prometheus/alerts.test.yml deploy/prometheus/drift.test.yml deploy/prometheus/slo.test.yml
else
    missing promtool "Debian: apt-get install prometheus"
fi

if docker compose version >/dev/null 2>&1; then
    docker compose --file docker-compose.yml config --quiet
elif command -v docker-compose >/dev/null; then
    docker-compose --file docker-compose.yml config --quiet
else
    missing compose "Debian: apt-get install docker-compose"
fi

kubernetes=
for tool in helm:helm.sh/helm/v3/cmd/helm kubeconform:github.com/yannh/kubeconform/cmd/kubeconform kube-score:github.com/zegl/kube-score/cmd/kube-score; do
    command -v "${tool%%:*}" >/dev/null || { kubernetes=missing; missing kubernetes "${tool%%:*}: go install ${tool#*:}@latest"; }
done
if [ -z "$kubernetes" ] && ! python3 -c "from importlib.util import find_spec as f; exit(f('kubernetes_validate') is None)"; then
    kubernetes=missing
    missing kubernetes "the Python package kubernetes-validate: make check-deploy has it"
fi
[ -n "$kubernetes" ] || deploy/kubernetes/check.sh
echo "deploy/check.sh: ok"
