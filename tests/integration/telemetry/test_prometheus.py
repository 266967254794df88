"""A real Prometheus scrapes the metrics port and answers every query of the dashboard and the alert rules."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from fraudstream.kafka.open_transactions import OpenTransaction, StableEnd
from fraudstream.stream.observer import JudgedBatch
from fraudstream.telemetry import http
from fraudstream.telemetry.cases import CasesTelemetry
from fraudstream.telemetry.worker import WorkerTelemetry
from tests.integration.telemetry.real_prometheus import Prometheus, needs_prometheus, scraping

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana" / "dashboards" / "fraudstream.json"

pytestmark = needs_prometheus


def observe_some_work(telemetry: WorkerTelemetry, cases: CasesTelemetry) -> None:
    """Report a batch, a checkpoint, an alert and an action, so that every metric has a sample."""
    worker = telemetry.of_stage("account")
    worker.on_start(stage="account", checkpoint_mode="batch", rule_set="cafe", layout="babe")
    worker.on_assigned([0])
    worker.on_recovery(0, seconds=0.1, records=5, size=500, next_offset=0)
    worker.on_standby({1: 5})
    worker.on_batch(
        0,
        JudgedBatch(
            records=4,
            payments=3,
            decisions={"allow": 2, "review": 1},
            labels=2,
            labels_unmatched={"expired": 1},
            label_lag_ms=np.array([86_400_000.0]),
            repeats=0,
            altered=0,
            late=0,
            unmatched=0,
            without_rate={},
            alerts=1,
            alert_rules={("mule/in_and_out", "high"): 1},
            scores=np.array([0.0, 0.01, 0.9]),
            shadow_scores={"trees": np.array([0.0, 0.2, 0.8])},
            shadow_alerts={("trees", "alert"): 1, ("trees", "none"): 0},
            shadow_rules={"mule/night": 1},
            dead_letters={"not_json": 1},
            dropped=0,
            since_occurred_ms=np.array([1.0, 2.0, 3.0]),
            since_arrival_ms=np.array([1.0, 2.0, 3.0]),
            seconds=0.001,
            watermark_ms=1_700_000_000_000,
            rows=1,
            size=4096,
        ),
    )
    worker.on_lag(0, lag=0)
    worker.on_misplaced(0, records=1, policy="repartition")
    worker.on_records_missing(0, records=5)
    worker.on_open_transactions({0: OpenTransaction(StableEnd("payments", 0, 4, 6), time.monotonic(), 0)})
    worker.on_checkpoint(0, seconds=0.01, records=2, size=300, next_offset=4)
    cases.on_assigned([0])
    cases.on_alert(0, severity="high", opened=True)
    cases.on_action(0, action="close")
    cases.on_rejected(0, code="closed")
    cases.on_open_cases(0, cases=1)
    cases.on_service_levels(0, levels={("takeover", "breached"): 1})
    cases.on_view(behind=0, lost=False)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a worker and a case agent."""
    worker = WorkerTelemetry(CollectorRegistry(), version="1.2.3")
    cases = CasesTelemetry(CollectorRegistry(), version="1.2.3")
    observe_some_work(worker, cases)
    with (
        http.serving(worker.registry, worker.healthy, worker.ready) as worker_url,
        http.serving(cases.registry, cases.healthy, cases.ready) as cases_url,
    ):
        targets = {"fraudstream-worker": worker_url, "fraudstream-cases": cases_url}
        with scraping(targets, tmp_path_factory.mktemp("prometheus")) as running:
            running.query_until_answered("rate(fraudstream_records_total[2s])")  # a rate needs two scrapes
            yield running


def dashboard_expressions() -> list[str]:
    """The queries of all panels."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def test_both_processes_are_scraped_without_an_error(prometheus: Prometheus) -> None:
    targets = prometheus.get("/api/v1/targets")["activeTargets"]
    assert {target["labels"]["job"]: (target["health"], target["lastError"]) for target in targets} == {
        "fraudstream-worker": ("up", ""),
        "fraudstream-cases": ("up", ""),
    }


def test_the_counts_of_the_worker_arrive(prometheus: Prometheus) -> None:
    (payments,) = prometheus.query("fraudstream_payments_total")
    assert payments["value"][1] == "3"
    (fast,) = prometheus.query('fraudstream_since_arrival_seconds_bucket{le="0.002"}')
    assert fast["value"][1] == "2"


@pytest.mark.parametrize("expression", dashboard_expressions())
def test_every_panel_has_an_answer(prometheus: Prometheus, expression: str) -> None:
    prometheus.query_until_answered(re.sub(r"\$__rate_interval", "10s", expression))


def test_every_alert_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("/api/v1/rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 10
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule.get("lastError")] == []
