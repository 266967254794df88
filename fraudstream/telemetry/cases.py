"""Metrics and health of the case agent. Implements `fraudstream.cases.observer.Observer` without importing it."""

import platform
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from fraudstream.telemetry.event_loop_watchdog import EventLoopWatchdog
from fraudstream.telemetry.metrics import CasesMetrics, Definitions
from fraudstream.telemetry.process import ProcessTelemetry


class CasesTelemetry(ProcessTelemetry):
    """The case agent's observer; start `watchdog` in the agent's event loop. The methods are those of `Observer`.

    `registry`: for the metrics. `version`: of fraudstream. `reasons`: codes of dead letters.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str, reasons: Iterable[str] = ()) -> None:
        self.registry = registry
        self.metrics = CasesMetrics(Definitions(registry), reasons)
        super().__init__(self.metrics, (self.metrics.open,), EventLoopWatchdog())
        self.metrics.build.info({"version": version, "python": platform.python_version()})

    def on_revoked(self) -> None:
        super().on_revoked()
        self._mark_recovered(frozenset())  # the agent recovers all its partitions again

    def on_step(self, partition: int) -> None:
        self._mark_moved(partition, time.monotonic())

    def on_recovery(self, partition: int, *, seconds: float, cases: int) -> None:
        self._observe_recovery(partition, seconds)

    def on_alert(self, partition: int, *, severity: str, opened: bool) -> None:
        self.metrics.alerts.labels(severity).inc()
        self.metrics.opened.inc(int(opened))

    def on_action(self, partition: int, *, action: str) -> None:
        self.metrics.actions.labels(action).inc()

    def on_repeat(self, partition: int, *, kind: str) -> None:
        self.metrics.repeats.labels(kind).inc()

    def on_mismatch(self, partition: int) -> None:
        self.metrics.mismatches.inc()

    def on_rejected(self, partition: int, *, code: str) -> None:
        self.metrics.rejected.labels(code).inc()

    def on_dead_letter(self, partition: int, *, reason: str) -> None:
        self.metrics.dead_letters.labels(reason).inc()

    def on_labels(self, partition: int, *, labels: int, unlabelled: int) -> None:
        self.metrics.labels.inc(labels)
        self.metrics.unlabelled.inc(unlabelled)

    def on_open_cases(self, partition: int, *, cases: int) -> None:
        self.metrics.open.labels(partition).set(cases)

    def on_view(self, *, behind: int, lost: bool) -> None:
        self.metrics.view_behind.set(behind)
        self.metrics.view_lost.set(int(lost))
