"""A worker seen from outside: what it counts, and the answers to "is it healthy?" and "is it ready?".

It satisfies `fraudstream.stream.observer.Observer` without importing it. Nothing here loops over payments.
"""

import platform
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry

from fraudstream.telemetry.faust_sensor import FaustSensor
from fraudstream.telemetry.metrics import WorkerMetrics

Milliseconds = npt.NDArray[np.float64]

SILENCE_MAX_S = 30.0  # a worker whose event loop stood still for so long is stuck: no batch takes a second


class WorkerTelemetry:
    """The worker's observer. Add `sensor` to its Faust app, and serve `registry`, `healthy` and `ready` (http.py).

    `version`: of fraudstream. `reasons`: the codes of dead letters.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str, reasons: Iterable[str] = ()) -> None:
        self.registry = registry
        self.metrics = WorkerMetrics(registry, reasons)
        self.sensor = FaustSensor(self.metrics)
        self._version = version
        self._failure: str | None = None
        self._assigned: set[int] | None = None
        self._recovered: set[int] = set()
        self._unsaved_since: dict[int, float] = {}

    # Health. Called from the thread of the HTTP server.

    def healthy(self) -> str | None:
        """None, or why the process should be started again."""
        if self._failure:
            return self._failure
        silence_s = self.sensor.silence_s()
        return f"the event loop has stood still for {silence_s:.0f} s" if silence_s > SILENCE_MAX_S else None

    def ready(self) -> str | None:
        """None, or why no payment is judged here at the moment. A worker that was given no partition is ready."""
        assigned, recovered = self._assigned, self._recovered
        if assigned is None:
            return "waiting for partitions"
        if missing := sorted(assigned - recovered):
            return f"restoring the memory of partitions {', '.join(map(str, missing))}"
        return self.healthy()

    # fraudstream.stream.observer.Observer

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
        for partition in (self._assigned or set()).difference(partitions):
            self._unsaved_since.pop(partition, None)
            for gauge in self.metrics.by_partition:
                gauge.remove(str(partition))
        self._recovered = self._recovered.intersection(partitions)
        self._assigned = set(partitions)
        self._count_partitions()

    def on_recovery(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        self._recovered = self._recovered | {partition}
        self.metrics.recovery_seconds.observe(seconds)
        self.metrics.recovery_records.inc(records)
        self._count_partitions()

    def on_batch(
        self,
        partition: int,
        *,
        records: int,
        payments: int,
        decisions: int,
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
        metrics.records.inc(records)
        metrics.payments.inc(payments)
        metrics.decisions.inc(decisions)
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
        self._mark_watermark(partition, watermark_ms)

    def on_lag(self, partition: int, *, lag: int) -> None:
        self.metrics.lag.labels(partition).set(lag)

    def on_checkpoint(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        self.metrics.checkpoint_seconds.observe(seconds)
        self.metrics.checkpoint_bytes.observe(size)
        self.metrics.checkpoint_records.inc(records)
        self._unsaved_since.pop(partition, None)

    def on_labels_forwarded(self, records: int) -> None:
        self.metrics.labels_forwarded.inc(records)

    def on_failure(self, sentence: str) -> None:
        self._failure = sentence

    # Inside

    def _count_partitions(self) -> None:
        assigned = self._assigned or set()
        self.metrics.assigned.set(len(assigned))
        self.metrics.recovering.set(len(assigned - self._recovered))

    # Ages are worked out when they are asked for: they must grow while no payment comes and no checkpoint ends.

    def _mark_unsaved(self, partition: int) -> None:
        """Called after each batch. One judged while a checkpoint runs is counted from the next batch on."""
        self._unsaved_since.setdefault(partition, time.monotonic())
        self.metrics.unsaved_age.labels(partition).set_function(
            lambda: time.monotonic() - self._unsaved_since.get(partition, time.monotonic())
        )

    def _mark_watermark(self, partition: int, watermark_ms: int) -> None:
        if watermark_ms <= 0:
            return  # no payment yet
        self.metrics.watermark_age.labels(partition).set_function(lambda: time.time() - watermark_ms / 1000.0)
