"""A worker seen from outside. It satisfies `fraudstream.stream.observer.Observer` without importing it.

Nothing here loops over payments: what it costs is paid once a batch.
"""

import platform
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry

from fraudstream.telemetry.faust_sensor import FaustSensor
from fraudstream.telemetry.metrics import Definitions, WorkerMetrics
from fraudstream.telemetry.process import ProcessTelemetry

Milliseconds = npt.NDArray[np.float64]


class WorkerTelemetry(ProcessTelemetry):
    """The worker's observer; add `sensor` to those of its Faust app, which starts `pulse` too.

    `version`: of fraudstream. `reasons`: the codes of dead letters.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str, reasons: Iterable[str] = ()) -> None:
        self.registry = registry
        self.metrics = metrics = WorkerMetrics(Definitions(registry), reasons)
        super().__init__(
            metrics,
            (metrics.watermark_age, metrics.state_rows, metrics.state_bytes, metrics.unsaved_age),
        )
        self.sensor = FaustSensor(metrics, self.pulse)
        self._version = version
        self._unsaved_since: dict[int, float] = {}

    def on_start(self, *, stage: str, checkpoint_mode: str, rule_set: str, layout: str) -> None:
        self.metrics.build.info(
            {
                "version": self._version,
                "python": platform.python_version(),
                "stage": stage,
                "checkpoint_mode": checkpoint_mode,
                "rule_set": rule_set,
                "layout": layout,
            }
        )

    def on_assigned(self, partitions: Sequence[int]) -> None:
        self._unsaved_since = {
            partition: since for partition, since in self._unsaved_since.items() if partition in partitions
        }
        super().on_assigned(partitions)

    def on_recovery(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        self._observe_recovery(partition, seconds)
        self.metrics.recovery_records.inc(records)

    def on_batch(
        self,
        partition: int,
        *,
        records: int,
        payments: int,
        decisions: Mapping[str, int],
        labels: int,
        labels_unmatched: int,
        repeats: int,
        late: int,
        alerts: int,
        alert_rules: Mapping[tuple[str, str], int],
        dead_letters: Mapping[str, int],
        since_occurred_ms: Milliseconds,
        since_arrival_ms: Milliseconds,
        seconds: float,
        watermark_ms: int,
        rows: int,
        size: int,
    ) -> None:
        metrics = self.metrics
        metrics.payments.inc(payments)
        for outcome, count in decisions.items():
            metrics.decisions.labels(outcome).inc(count)
        metrics.labels.inc(labels)
        metrics.labels_unmatched.inc(labels_unmatched)
        metrics.repeats.inc(repeats)
        metrics.late.inc(late)
        metrics.alerts.inc(alerts)
        for (rule, severity), count in alert_rules.items():
            metrics.rules.labels(rule, severity).inc(count)
        for reason, count in dead_letters.items():
            metrics.dead_letters.labels(reason).inc(count)
        metrics.since_occurred.observe(since_occurred_ms / 1000.0)
        metrics.since_arrival.observe(since_arrival_ms / 1000.0)
        metrics.batch_records.observe(records)
        metrics.batch_seconds.observe(seconds)
        metrics.state_rows.labels(partition).set(rows)
        metrics.state_bytes.labels(partition).set(size)
        self._mark_unsaved(partition)
        self._mark_moved(partition, time.monotonic())
        self._mark_watermark(partition, watermark_ms)
        metrics.records.inc(records)  # last: what a scrape sees counted here, it sees counted everywhere

    def on_checkpoint(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        self.metrics.checkpoint_seconds.observe(seconds)
        self.metrics.checkpoint_bytes.observe(size)
        self.metrics.checkpoint_records.inc(records)
        self._unsaved_since.pop(partition, None)

    def on_labels_forwarded(self, records: int) -> None:
        self.metrics.labels_forwarded.inc(records)

    # Ages are worked out when they are asked for: they must grow while no payment comes and no checkpoint ends.

    def _mark_unsaved(self, partition: int) -> None:
        """Called after each batch. One judged while a checkpoint runs is counted from the next batch on."""
        self._unsaved_since.setdefault(partition, time.monotonic())
        self.metrics.unsaved_age.labels(partition).set_function(lambda: self._unsaved_age(partition))

    def _unsaved_age(self, partition: int) -> float:
        since = self._unsaved_since.get(partition)
        return 0.0 if since is None else time.monotonic() - since

    def _mark_watermark(self, partition: int, watermark_ms: int) -> None:
        if watermark_ms <= 0:
            return  # no payment yet
        self.metrics.watermark_age.labels(partition).set_function(lambda: time.time() - watermark_ms / 1000.0)
