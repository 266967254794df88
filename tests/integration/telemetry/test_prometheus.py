"""A real Prometheus scrapes the metrics ports and answers every query of the dashboard and the alert rules."""

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from prometheus_client import CollectorRegistry

from fraudstream.telemetry import http
from fraudstream.telemetry.backups import BackupTelemetry
from fraudstream.telemetry.cases import CasesTelemetry
from fraudstream.telemetry.gateway import GatewayTelemetry
from fraudstream.telemetry.history import HistoryTelemetry
from fraudstream.telemetry.worker import WorkerTelemetry
from tests.integration.telemetry import observed_work
from tests.integration.telemetry.real_prometheus import WAIT_S, Prometheus, needs_prometheus, scraping

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana" / "dashboards" / "fraudstream.json"

# Other programs export these; here a query that uses one is only evaluated.
FOREIGN = re.compile(r"\bkube_\w+")

pytestmark = needs_prometheus


class Process(Protocol):
    """What the telemetry of each process has."""

    @property
    def registry(self) -> CollectorRegistry:
        """Its metrics."""

    def healthy(self) -> str | None:
        """None, or why it is not."""

    def ready(self) -> str | None:
        """None, or why it is not."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes one process of each kind that the dashboard shows."""
    worker = WorkerTelemetry(CollectorRegistry(), version="1.2.3")
    cases = CasesTelemetry(CollectorRegistry(), version="1.2.3")
    gateway = GatewayTelemetry(CollectorRegistry(), version="1.2.3")
    history = HistoryTelemetry(CollectorRegistry(), version="1.2.3")
    backups = BackupTelemetry(CollectorRegistry(), version="1.2.3")
    observed_work.of_a_worker(worker)
    observed_work.of_a_case_agent(cases)
    observed_work.of_a_gateway(gateway)
    observed_work.of_a_history_writer(history)
    observed_work.of_backups(backups)
    with contextlib.ExitStack() as stack:

        def served(process: Process) -> str:
            return stack.enter_context(http.serving(process.registry, process.healthy, process.ready))

        targets = {
            "fraudstream-worker": served(worker),
            "fraudstream-cases": served(cases),
            "fraudstream-gateway": served(gateway),
            "fraudstream-history": served(history),
            "fraudstream-backup": served(backups),
        }
        yield stack.enter_context(scraping(targets, tmp_path_factory.mktemp("prometheus")))


@pytest.fixture(scope="module")
def answers(prometheus: Prometheus) -> Mapping[str, list[dict[str, Any]]]:
    """The result of each panel's query: asked until all have one, since a rate needs two scrapes, or for `WAIT_S`."""
    deadline = time.monotonic() + WAIT_S
    found: dict[str, list[dict[str, Any]]] = {expression: [] for expression in dashboard_expressions()}
    while time.monotonic() < deadline:
        for expression, result in found.items():
            found[expression] = result or prometheus.query(expression.replace("$__rate_interval", "10s"))
        if all(result or FOREIGN.search(expression) for expression, result in found.items()):
            break
        time.sleep(0.2)
    return found


def dashboard_expressions() -> list[str]:
    """The queries of all panels."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def test_each_process_is_scraped_without_an_error(prometheus: Prometheus) -> None:
    targets = prometheus.get("/api/v1/targets")["activeTargets"]
    assert {target["labels"]["job"]: (target["health"], target["lastError"]) for target in targets} == {
        f"fraudstream-{name}": ("up", "") for name in ("worker", "cases", "gateway", "history", "backup")
    }


def test_the_counts_of_the_worker_arrive(prometheus: Prometheus) -> None:
    (payments,) = prometheus.query("fraudstream_payments_total")
    assert payments["value"][1] == "3"
    (fast,) = prometheus.query('fraudstream_since_arrival_seconds_bucket{le="0.002"}')
    assert fast["value"][1] == "2"


@pytest.mark.parametrize("expression", [query for query in dashboard_expressions() if not FOREIGN.search(query)])
def test_every_panel_has_an_answer(answers: Mapping[str, list[dict[str, Any]]], expression: str) -> None:
    assert answers[expression], f"no answer within {WAIT_S} s"


def test_queries_on_metrics_of_other_programs_are_evaluated(prometheus: Prometheus) -> None:
    foreign = [query for query in dashboard_expressions() if FOREIGN.search(query)]
    assert foreign
    for expression in foreign:
        assert prometheus.query(expression) == []


def test_every_alert_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("/api/v1/rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 10
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule.get("lastError")] == []
