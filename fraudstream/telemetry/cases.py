"""Metrics and health of the case agent. Implements `fraudstream.cases.observer.Observer` without importing it."""

import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from fraudstream.telemetry.event_loop_watchdog import EventLoopWatchdog
from fraudstream.telemetry.metrics import CasesMetrics, Definitions
from fraudstream.telemetry.process import ProcessTelemetry
from fraudstream.telemetry.span_metrics import SpanMetrics

LEVELS: Final = ("within", "warned", "breached")


class CasesTelemetry(ProcessTelemetry):
    """The case agent's observer; start `watchdog` in the agent's event loop. The methods are those of `Observer`.

    `registry`: for the metrics. `version`: of fraudstream. `reasons`: codes of dead letters.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str, reasons: Iterable[str] = ()) -> None:
        self.registry = registry
        self.metrics = CasesMetrics(Definitions(registry), reasons)
        self.spans = SpanMetrics(Definitions(registry))
        super().__init__(self.metrics, (self.metrics.open,), EventLoopWatchdog())
        self._queues: dict[int, set[str]] = {}  # by partition: those that are reported
        self.metrics.build.info({"version": version, "python": platform.python_version()})

    def on_revoked(self) -> None:
        """A rebalance began."""
        super().on_revoked()
        self._mark_recovered(frozenset())  # the agent recovers all its partitions again

    def on_step(self, partition: int) -> None:
        """The partition advanced."""
        self._mark_moved(partition, time.monotonic())

    def on_recovery(self, partition: int, *, seconds: float, cases: int) -> None:
        """A partition was recovered."""
        self._observe_recovery(partition, seconds)

    def on_alert(self, partition: int, *, severity: str, opened: bool) -> None:
        """An alert joined or opened a case."""
        self.metrics.alerts.labels(severity).inc()
        self.metrics.opened.inc(int(opened))

    def on_action(self, partition: int, *, action: str) -> None:
        """An action changed a case."""
        self.metrics.actions.labels(action).inc()

    def on_repeat(self, partition: int, *, kind: str) -> None:
        """A repeated alert or action."""
        self.metrics.repeats.labels(kind).inc()

    def on_mismatch(self, partition: int) -> None:
        """A repeated alert had a different verdict."""
        self.metrics.mismatches.inc()

    def on_rejected(self, partition: int, *, code: str) -> None:
        """An action was rejected."""
        self.metrics.rejected.labels(code).inc()

    def on_notice_answer(self, partition: int, *, outcome: str) -> None:
        """A customer has answered a notice."""
        self.metrics.notice_answers.labels(outcome).inc()

    def on_dead_letter(self, partition: int, *, reason: str) -> None:
        """A record went to the dead letters."""
        self.metrics.dead_letters.labels(reason).inc()

    def on_labels(self, partition: int, *, labels: int, unlabelled: int) -> None:
        """Labels were written for a closed case."""
        self.metrics.labels.inc(labels)
        self.metrics.unlabelled.inc(unlabelled)

    def on_records_missing(self, partition: int, *, topic: str, records: int) -> None:
        """Records of an input topic were deleted before they were handled."""
        self.metrics.missing.labels(topic).inc(records)

    def on_removed(self, partition: int, *, reason: str) -> None:
        """A case has left."""
        self.metrics.removed.labels(reason).inc()

    def on_open_cases(self, partition: int, *, cases: int) -> None:
        """Number of open cases."""
        self.metrics.open.labels(partition).set(cases)

    def on_service_levels(self, partition: int, *, levels: Mapping[tuple[str, str], int]) -> None:
        """Cases by queue and service level. All levels of a queue are reported, so that rules have both sides."""
        for queue in {queue for queue, _ in levels}:
            for level in LEVELS:
                self.metrics.service_levels.labels(partition, queue, level).set(levels.get((queue, level), 0))
        self._queues[partition] = {queue for queue, _ in levels}

    def on_assigned(self, partitions: Sequence[int]) -> None:
        """All partitions that are assigned now; the next owners of others report their cases."""
        super().on_assigned(partitions)
        for partition in self._queues.keys() - set(partitions):
            for queue in self._queues.pop(partition):
                for level in LEVELS:
                    self.metrics.service_levels.remove(str(partition), queue, level)

    def on_view(self, *, behind: int, lost: bool) -> None:
        """Cases waiting for the view, and whether Redis answers."""
        self.metrics.view_behind.set(behind)
        self.metrics.view_lost.set(int(lost))
