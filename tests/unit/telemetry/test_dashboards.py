"""Dashboards, alert rules and runbook name only metrics, labels and alerts that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from fraudstream.telemetry.array_histogram import ArrayHistogram
from fraudstream.telemetry.backups import BackupTelemetry
from fraudstream.telemetry.bridge import BridgeTelemetry
from fraudstream.telemetry.cases import CasesTelemetry
from fraudstream.telemetry.gateway import GatewayTelemetry
from fraudstream.telemetry.history import HistoryTelemetry
from fraudstream.telemetry.webhooks import WebhookTelemetry
from fraudstream.telemetry.worker import WorkerTelemetry

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))

FROM_PROMETHEUS = {"job", "instance", "le"}
# What exists besides ours: Prometheus' own, prometheus-client's of the process, kube-state-metrics'.
FOREIGN = {
    "up": set[str](),
    "process_resident_memory_bytes": set[str](),
    "process_cpu_seconds_total": set[str](),
    "kube_cronjob_status_last_successful_time": {"namespace", "cronjob"},
}
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}


def exposed() -> dict[str, set[str]]:
    """Names of all samples that the processes expose, each with its labels."""
    names = dict(FOREIGN)
    worker = WorkerTelemetry(CollectorRegistry(), version="1.2.3")
    worker.on_start(stage="account", checkpoint_mode="transaction", rule_set="cafe", layout="babe")
    bridge = BridgeTelemetry(CollectorRegistry(), version="1.2.3")
    bridge.on_lag(0, lag=0)  # its series by partition exist once there is a partition
    others = (
        CasesTelemetry(CollectorRegistry(), version="1.2.3"),
        GatewayTelemetry(CollectorRegistry(), version="1.2.3"),
    )
    for process in (worker, *others):
        for metric in vars(process.metrics).values():
            assert isinstance(metric, (MetricWrapperBase, ArrayHistogram))
            name = metric.name if isinstance(metric, ArrayHistogram) else metric._name
            if isinstance(metric, ArrayHistogram):
                labels = set() if metric.label is None else {metric.label}
            else:
                labels = set(metric._labelnames)
            kind = "histogram" if isinstance(metric, ArrayHistogram) else str(metric._type)
            for suffix in SUFFIXES[kind]:
                names.setdefault(f"{name}{suffix}", set()).update(labels)
    for registry in (worker.registry, bridge.registry, *(each.registry for each in others)):
        for family in registry.collect():
            for sample in family.samples:
                names.setdefault(sample.name, set()).update(sample.labels)
    webhooks = WebhookTelemetry(CollectorRegistry(), version="1.2.3", endpoints=["tool"])
    history = HistoryTelemetry(CollectorRegistry(), version="1.2.3", reasons=["decode"])
    history.on_records("payments", rows={"payments": 1}, skipped={})
    history.on_lag("payments", 0, lag=0)
    history.on_missing("payments", records=1)
    history.on_commit({"payments": (1, 1, 1)}, seconds=1.0, expired=0)
    backups = BackupTelemetry(CollectorRegistry(), version="1.2.3")
    for registry in (webhooks.registry, history.registry, backups.registry):
        for family in registry.collect():
            for sample in family.samples:
                names.setdefault(sample.name, set()).update(sample.labels)
    return names


def all_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alert_rules() -> list[dict[str, Any]]:
    return [rule for rule in all_rules() if "alert" in rule]


def with_recorded(expression: str) -> str:
    """An expression with those of recording rules in place of their names, which may name others."""
    before = ""
    while before != expression:
        before = expression
        for rule in all_rules():
            if "record" in rule:
                expression = expression.replace(rule["record"], f"({rule['expr']})")
    return expression


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            yield f"{file.name}: {panel['title']}", panel


def expressions() -> Iterator[tuple[str, str]]:
    for rule in alert_rules():
        yield rule["alert"], with_recorded(rule["expr"])
    for title, panel in panels():
        for target in panel.get("targets", ()):
            yield title, with_recorded(target["expr"])


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_expression_names_metrics_and_labels_that_exist(where: str, expression: str) -> None:
    known = exposed()
    used = set(re.findall(r"\b(?:fraudstream|process|kube)_\w+|\bup\b", expression))
    assert used, f"{where}: no metric in {expression}"
    assert used <= known.keys(), f"{where}: unknown {used - known.keys()}"
    labels = FROM_PROMETHEUS.union(*(known[name] for name in used))
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    matched = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", expression))
    assert grouped | matched <= labels, f"{where}: unknown labels {(grouped | matched) - labels}"


def test_every_legend_names_a_label_that_its_expression_keeps() -> None:
    for where, panel in panels():
        for target in panel.get("targets", ()):
            for label in re.findall(r"{{\s*(\w+)\s*}}", target["legendFormat"]):
                grouped = re.search(r"by \(([^)]*)\)", target["expr"])
                kept = {name.strip() for name in grouped[1].split(",")} if grouped else {"job", "instance"}
                assert label in kept, f"{where}: legend {label}, kept {kept}"


def test_every_panel_has_a_description_and_none_overlaps_another() -> None:
    taken: dict[tuple[str, int, int], str] = {}
    for where, panel in panels():
        assert panel["type"] == "row" or panel["description"], where
        grid = panel["gridPos"]
        for x in range(grid["x"], grid["x"] + grid["w"]):
            assert x < 24, where
            for y in range(grid["y"], grid["y"] + grid["h"]):
                other = taken.setdefault((where.split(":")[0], x, y), where)
                assert other == where, f"{where} covers {other}"


def test_every_alert_has_a_severity_a_section_in_the_runbook_and_a_test() -> None:
    sections = set(re.findall(r"^## (Fraudstream\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))
    tests = [test for file in PROMETHEUS.glob("*.test.yml") for test in yaml.safe_load(file.read_text())["tests"]]
    tested = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    names = {rule["alert"] for rule in alert_rules()}
    assert sections == names
    assert tested == names
    for rule in alert_rules():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
