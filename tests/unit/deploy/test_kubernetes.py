"""The plain manifests fit the program: commands, settings, ports, time limits; and pods may do only what they need."""

from __future__ import annotations

import math
import re
from operator import attrgetter
from pathlib import Path

import pytest
import yaml

from fraudstream.cli import case_agent, worker_processes
from fraudstream.cli.main import COMMANDS, parser
from fraudstream.cli.settings import Settings, load_settings
from fraudstream.console import server
from tests.unit.deploy.manifests import Workload, config_of, named, of_kind, read_directory, workloads

ROOT = Path(__file__).parents[3]
OBJECTS = read_directory(ROOT / "deploy/kubernetes/plain")
WORKLOADS = workloads(OBJECTS)
BY_PART = {each.part: each for each in WORKLOADS}
CONFIG = "/etc/fraudstream/fraudstream.toml"

# By part and name of the port: the setting that it follows.
PORTS: dict[str, dict[str, str]] = {
    "topics": {},
    "backup": {},
    "worker": {"metrics": "metrics.port"},
    "cases": {"metrics": "metrics.cases_port"},
    "console": {"http": "console.port"},
    "gateway": {"http": "gateway.port", "metrics": "metrics.gateway_port"},
}

LEFT_OUT = {"history", "webhooks", "bridge"}  # parts that the plain manifests do not have

each_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.part)


def settings_of(workload: Workload, directory: Path) -> Settings:
    """The settings with which the program starts in a pod."""
    file = directory / "fraudstream.toml"
    file.write_text(config_of(OBJECTS, workload)["fraudstream.toml"])
    return load_settings(str(file), workload.environment())


def test_there_is_a_workload_for_each_part() -> None:
    assert set(BY_PART) == set(PORTS)


@each_workload
def test_a_pod_meets_the_restricted_pod_security_standard(workload: Workload) -> None:
    pod, container = workload.pod["securityContext"], workload.container["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] == 10001
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert {kind for volume in workload.pod["volumes"] for kind in volume} <= {
        "name",
        "configMap",
        "emptyDir",
        "secret",
        "persistentVolumeClaim",
    }


@each_workload
def test_a_pod_has_a_read_only_root_and_no_token_of_the_cluster(workload: Workload) -> None:
    assert workload.container["securityContext"]["readOnlyRootFilesystem"] is True
    assert workload.pod["automountServiceAccountToken"] is False
    assert workload.pod["enableServiceLinks"] is False  # variables like FRAUDSTREAM_WORKER_PORT would be settings


@each_workload
def test_a_pod_has_the_memory_that_it_asks_for_and_no_limit_of_cpu(workload: Workload) -> None:
    resources = workload.container["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert "cpu" in resources["requests"]
    assert "cpu" not in resources["limits"]


@each_workload
def test_the_program_takes_the_arguments_and_the_settings(workload: Workload, tmp_path: Path) -> None:
    first, file, command, *rest = workload.container["args"]
    assert (first, file) == ("--config", CONFIG)
    parser(COMMANDS[command]).parse_args([command, *rest])
    settings = settings_of(workload, tmp_path)
    if "metrics" in ports_of(workload):
        assert settings.metrics.host == "0.0.0.0"
    settings.console.server_settings()  # refuses an address that is not loopback without HTTPS
    settings.gateway.check()  # and without clients


@each_workload
def test_ports_are_those_of_the_settings(workload: Workload, tmp_path: Path) -> None:
    settings = settings_of(workload, tmp_path)
    expected = {name: attrgetter(setting)(settings) for name, setting in PORTS[workload.part].items()}
    assert ports_of(workload) == expected
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if ports_of(workload):
            assert workload.container[probe]["httpGet"]["port"] in ports_of(workload)


def ports_of(workload: Workload) -> dict[str, int]:
    return {each["name"]: each["containerPort"] for each in workload.container.get("ports", ())}


def test_a_pod_is_not_killed_while_the_program_stops_in_its_time(tmp_path: Path) -> None:
    worker = settings_of(BY_PART["worker"], tmp_path).worker
    gateway = settings_of(BY_PART["gateway"], tmp_path).gateway
    stop_s = {
        "worker": worker.session_timeout_s / 2 + worker_processes.LEAVE_S_MAX + worker_processes.EXIT_S_MAX,
        "cases": case_agent.STOP_S_MAX,
        "console": 5 + 3 * server.STOP_S_MAX,  # the hook, then open requests, the audit log, the readers of topics
        "gateway": 5 + gateway.drain_s,
    }
    for part, seconds in stop_s.items():
        assert BY_PART[part].pod["terminationGracePeriodSeconds"] >= math.ceil(seconds), part


@each_workload
def test_what_the_program_writes_to_is_a_volume(workload: Workload) -> None:
    mounts = {each["mountPath"]: each for each in workload.container["volumeMounts"]}
    [cache] = re.findall(r"NUMBA_CACHE_DIR=(/\S+)", (ROOT / "Dockerfile").read_text())
    assert workload.environment()["NUMBA_CACHE_DIR"] == cache
    assert {cache, "/tmp"} <= {path for path, mount in mounts.items() if not mount.get("readOnly")}
    index = workload.environment().get("FRAUDSTREAM_CONSOLE_INDEX_DIRECTORY")
    assert index is None or index in mounts


@each_workload
def test_a_network_policy_admits_only_what_a_pod_needs(workload: Workload) -> None:
    [policy] = (
        each
        for each in of_kind(OBJECTS, "NetworkPolicy")
        if each["spec"]["podSelector"]["matchLabels"].items() <= workload.labels.items()
    )
    spec = policy["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    admitted = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
    assert admitted == set(ports_of(workload))
    reached = {port["port"] for rule in spec["egress"] for port in rule["ports"]}
    assert reached == {53, 9092} | ({6379} if workload.part in ("cases", "console") else set())


def test_services_and_budgets_select_the_pods_of_one_part() -> None:
    for each in of_kind(OBJECTS, "Service", "PodDisruptionBudget"):
        selector = each["spec"]["selector"].get("matchLabels", each["spec"]["selector"])
        [selected] = (workload for workload in WORKLOADS if selector.items() <= workload.labels.items())
        for port in each["spec"].get("ports", ()):
            assert port["port"] == ports_of(selected)[port["targetPort"]]
    budgets = {each["metadata"]["name"] for each in of_kind(OBJECTS, "PodDisruptionBudget")}
    assert budgets == {f"fraudstream-{part}" for part in BY_PART if "ports" in BY_PART[part].container}


def test_the_rules_of_alerts_are_those_of_prometheus() -> None:
    source = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    found = named(OBJECTS, "PrometheusRule", "fraudstream")["spec"]
    assert found == yaml.safe_load(source), "deploy/kubernetes/render.py writes the manifests again; it needs helm"


def test_each_job_that_a_rule_names_is_scraped() -> None:
    scraped = {
        relabeling["replacement"]
        for monitor in of_kind(OBJECTS, "ServiceMonitor")
        for endpoint in monitor["spec"]["endpoints"]
        for relabeling in endpoint["relabelings"]
        if relabeling["targetLabel"] == "job"
    }
    asked = set(re.findall(r'job="([\w-]+)"', (ROOT / "deploy/prometheus/alerts.yml").read_text()))
    assert asked
    assert asked - {f"fraudstream-{part}" for part in LEFT_OUT} <= scraped


def test_a_monitor_selects_a_service_with_the_port_that_it_scrapes() -> None:
    for monitor in of_kind(OBJECTS, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        scraped = [
            port["name"]
            for each in of_kind(OBJECTS, "Service")
            if selector.items() <= each["metadata"]["labels"].items()
            for port in each["spec"]["ports"]
        ]
        assert scraped.count("metrics") == 1, monitor["metadata"]["name"]


def test_one_partition_has_a_worker_and_its_standby(tmp_path: Path) -> None:
    worker = BY_PART["worker"]
    assert worker.object["spec"]["replicas"] == 2
    assert settings_of(worker, tmp_path).worker.standby
    assert settings_of(worker, tmp_path).worker.group_instance_id is None
