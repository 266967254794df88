"""docs/metrics.md: every metric of every process, from the objects that export them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from docsite.tables import GENERATED, code, plain, table
from fraudstream.telemetry.backups import BackupTelemetry
from fraudstream.telemetry.bridge import BridgeTelemetry
from fraudstream.telemetry.cases import CasesTelemetry
from fraudstream.telemetry.gateway import GatewayTelemetry
from fraudstream.telemetry.history import HistoryTelemetry
from fraudstream.telemetry.webhooks import WebhookTelemetry
from fraudstream.telemetry.worker import WorkerTelemetry

HEAD: Final = f"""# Metrics

{GENERATED}

Each process serves `/metrics` in the format of Prometheus, `/healthz` and `/readyz`; [deployment.md](deployment.md)
says where, [runbook.md](runbook.md) has the alert rules. A counter is shown with the `_total` that Prometheus appends
to its name. A histogram has `_bucket`, `_sum` and `_count`. Beside these, each process exports the `process_…` metrics
of Prometheus's own client.
"""


class _Registry(CollectorRegistry):
    """A registry that remembers what was registered."""

    def __init__(self) -> None:
        super().__init__()
        self.collectors: list[Collector] = []

    def register(self, collector: Collector) -> None:
        self.collectors.append(collector)
        super().register(collector)


# A new process belongs here: a test fails while its metrics are not on the page.
PROCESSES: Final[Mapping[str, Callable[[CollectorRegistry], object]]] = {
    "Worker": lambda registry: WorkerTelemetry(registry, version=""),
    "Case agent": lambda registry: CasesTelemetry(registry, version=""),
    "Writer of the history store": lambda registry: HistoryTelemetry(registry, version=""),
    "Gateway": lambda registry: GatewayTelemetry(registry, version=""),
    "Bridge": lambda registry: BridgeTelemetry(registry, version=""),
    "Backups on a schedule (`state backup --every`)": lambda registry: BackupTelemetry(registry, version=""),
    "Webhooks": lambda registry: WebhookTelemetry(registry, version="", endpoints=()),
}


def metric_page() -> str:
    """The whole page."""
    sections = []
    for title, define in PROCESSES.items():
        registry = _Registry()
        define(registry)
        sections.append(f"## {title}\n\n{_table(registry)}\n")
    return "\n".join([HEAD, *sections])


def _table(registry: _Registry) -> str:
    rows = []
    for collector in registry.collectors:
        for family in collector.describe() if hasattr(collector, "describe") else ():
            name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
            rows.append(
                (code(name), family.type, ", ".join(map(code, _labels(collector))), plain(family.documentation))
            )
    return table(("metric", "type", "labels", ""), sorted(rows))


def _labels(collector: Collector) -> tuple[str, ...]:
    """The names of its labels: a metric that has no sample yet has them only here."""
    label = getattr(collector, "label", None)
    return tuple(getattr(collector, "_labelnames", ())) or ((label,) if isinstance(label, str) else ())
