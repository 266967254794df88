"""A worker seen from outside. It satisfies `fraudstream.stream.observer.Observer` without importing it.

Nothing here loops over payments: what it costs is paid once a batch.
"""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry

from fraudstream.telemetry.event_loop_watchdog import EventLoopWatchdog
from fraudstream.telemetry.faust_sensor import FaustSensor
from fraudstream.telemetry.metrics import Definitions, WorkerMetrics
from fraudstream.telemetry.process import ProcessTelemetry

Milliseconds = npt.NDArray[np.float64]


class WorkerTelemetry:
    """The worker's observer; add `sensor` to those of its Faust app, which starts `watchdog` too. Serve `healthy` and
    `ready` (http.py): the worker is so when all its stages are.

    `version`: of fraudstream. `reasons`: the codes of dead letters.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str, reasons: Iterable[str] = ()) -> None:
        self.registry = registry
        self.metrics = WorkerMetrics(Definitions(registry), reasons)
        self.watchdog = EventLoopWatchdog()
        self.sensor = FaustSensor(self.metrics, self.watchdog)
        self._version = version
        self._stages: tuple[StageTelemetry, ...] = ()
        self._builds: list[dict[str, str]] = []

    def of_stage(self, stage: str) -> StageTelemetry:
        self._stages += (StageTelemetry(self, stage),)
        return self._stages[-1]

    def healthy(self) -> str | None:
        """None, or why the process should be started again."""
        return next(filter(None, (stage.healthy() for stage in self._stages)), None)

    def ready(self) -> str | None:
        """None, or why nothing is handled here at the moment."""
        if not self._stages:
            return "waiting for partitions"
        said = [(stage.name, why) for stage in self._stages if (why := stage.ready()) is not None]
        if not said:
            return None
        name, why = said[0]
        return why if len(self._stages) == 1 else f"stage {name}: {why}"

    def on_start(self, *, stage: str, checkpoint_mode: str, rule_set: str, layout: str) -> None:
        self._builds.append({"stage": stage, "layout": layout})
        self.metrics.build.info(
            {
                "version": self._version,
                "python": platform.python_version(),
                "checkpoint_mode": checkpoint_mode,
                "own_rule_set": rule_set,  # of its directory: what is in force, `rule_set_partitions` says
                **{name: ",".join(build[name] for build in self._builds) for name in ("stage", "layout")},
            }
        )


class StageTelemetry(ProcessTelemetry):
    """The observer of one stage of the worker."""

    def __init__(self, worker: WorkerTelemetry, stage: str) -> None:
        self.metrics = metrics = worker.metrics
        by_partition = (
            metrics.watermark_age,
            metrics.state_rows,
            metrics.state_bytes,
            metrics.unsaved_age,
            metrics.backfill_lag,
        )
        super().__init__(metrics, by_partition, worker.watchdog, (stage,))
        self.name = stage
        self._worker = worker
        self._unsaved_since: dict[int, float] = {}
        self._building: Mapping[int, int | None] = {}  # records behind, once they are known
        self._undecided: Mapping[int, str] = {}  # why
        self._rule_sets: dict[int, str] = {}  # in force

    def ready(self) -> str | None:
        if (fault := super().ready()) or not self._undecided:
            return fault
        number, sentence = min(self._undecided.items())
        if self._building:
            behind = sum(lag or 0 for lag in self._building.values())
            known = None not in self._building.values()
            return f"{sentence}, {behind:,} records behind" if known else sentence
        others = f" and {len(self._undecided) - 1} others" if len(self._undecided) > 1 else ""
        return f"partition {number}{others}: {sentence}"

    def on_start(self, *, stage: str, checkpoint_mode: str, rule_set: str, layout: str) -> None:
        self._worker.on_start(stage=stage, checkpoint_mode=checkpoint_mode, rule_set=rule_set, layout=layout)

    def on_assigned(self, partitions: Sequence[int]) -> None:
        self._unsaved_since = {
            partition: since for partition, since in self._unsaved_since.items() if partition in partitions
        }
        self._building = {number: lag for number, lag in self._building.items() if number in partitions}
        self._tell_undecided({number: why for number, why in self._undecided.items() if number in partitions})
        self._tell_rule_sets({number: digest for number, digest in self._rule_sets.items() if number in partitions})
        super().on_assigned(partitions)

    def on_undecided(self, partition: int, *, sentence: str, backfilling: bool) -> None:
        if backfilling:
            self._building = {**self._building, partition: None}
        else:
            self._forget_lag(partition)
        self._tell_undecided({**self._undecided, partition: sentence})
        self._tell_rule_sets({number: digest for number, digest in self._rule_sets.items() if number != partition})

    def on_decided(self, partition: int, *, rule_set: str | None) -> None:
        if rule_set is not None:
            self._tell_rule_sets({**self._rule_sets, partition: rule_set})
        self._building = {number: lag for number, lag in self._building.items() if number != partition}
        self._tell_undecided({number: why for number, why in self._undecided.items() if number != partition})
        self.metrics.backfill_lag.remove(self.name, str(partition))

    def on_backfilled(self, partition: int, *, records: int, watermark_ms: int, rows: int, size: int) -> None:
        self.metrics.state_rows.labels(self.name, partition).set(rows)
        self.metrics.state_bytes.labels(self.name, partition).set(size)
        self._mark_unsaved(partition)
        self._mark_moved(partition, time.monotonic())
        self._mark_watermark(partition, watermark_ms)
        self.metrics.records.labels(self.name).inc(records)

    def on_lag(self, partition: int, *, lag: int) -> None:
        if partition not in self._building:
            super().on_lag(partition, lag=lag)
            return
        self._building = {**self._building, partition: lag}
        self.metrics.backfill_lag.labels(self.name, partition).set(lag)

    def _tell_undecided(self, undecided: Mapping[int, str]) -> None:
        self._undecided = undecided
        self.metrics.cut_over.labels(self.name).set(len(undecided.keys() - self._building.keys()))

    def _tell_rule_sets(self, rule_sets: dict[int, str]) -> None:
        counts = Counter(rule_sets.values())
        for digest in set(self._rule_sets.values()) - counts.keys():
            self.metrics.rule_sets.remove(self.name, digest)
        for digest, partitions in counts.items():
            self.metrics.rule_sets.labels(self.name, digest).set(partitions)
        self._rule_sets = rule_sets

    def on_recovery(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        self._observe_recovery(partition, seconds)
        self.metrics.recovery_records.labels(self.name).inc(records)

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
        altered: int,
        late: int,
        alerts: int,
        alert_rules: Mapping[tuple[str, str], int],
        dead_letters: Mapping[str, int],
        dropped: int,
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
        metrics.altered.inc(altered)
        metrics.late.inc(late)
        metrics.alerts.inc(alerts)
        for (rule, severity), count in alert_rules.items():
            metrics.rules.labels(rule, severity).inc(count)
        metrics.since_occurred.observe(since_occurred_ms / 1000.0)
        metrics.since_arrival.observe(since_arrival_ms / 1000.0)
        self._on_list(partition, records, dead_letters, dropped, seconds, watermark_ms, rows, size)

    def on_forwarded(
        self,
        partition: int,
        *,
        records: int,
        forwarded: int,
        dead_letters: Mapping[str, int],
        dropped: int,
        seconds: float,
        watermark_ms: int,
        rows: int,
        size: int,
    ) -> None:
        self.metrics.forwarded.labels(self.name).inc(forwarded)
        self._on_list(partition, records, dead_letters, dropped, seconds, watermark_ms, rows, size)

    def _on_list(
        self,
        partition: int,
        records: int,
        dead_letters: Mapping[str, int],
        dropped: int,
        seconds: float,
        watermark_ms: int,
        rows: int,
        size: int,
    ) -> None:
        metrics, stage = self.metrics, self.name
        for reason, count in dead_letters.items():
            metrics.dead_letters.labels(reason).inc(count)
        metrics.resent.labels(stage).inc(dropped)
        metrics.batch_records.labels(stage).observe(records)
        metrics.batch_seconds.labels(stage).observe(seconds)
        metrics.state_rows.labels(stage, partition).set(rows)
        metrics.state_bytes.labels(stage, partition).set(size)
        self._mark_unsaved(partition)
        self._mark_moved(partition, time.monotonic())
        self._mark_watermark(partition, watermark_ms)
        metrics.records.labels(stage).inc(records)  # last: what a scrape sees counted here, it sees counted everywhere

    def on_checkpoint(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        self.metrics.checkpoint_seconds.labels(self.name).observe(seconds)
        self.metrics.checkpoint_bytes.labels(self.name).observe(size)
        self.metrics.checkpoint_records.labels(self.name).inc(records)
        self._unsaved_since.pop(partition, None)

    def on_labels_forwarded(self, records: int) -> None:
        self.metrics.labels_forwarded.inc(records)

    # Ages are worked out when they are asked for: they must grow while no payment comes and no checkpoint ends.

    def _mark_unsaved(self, partition: int) -> None:
        """Called after each batch. One judged while a checkpoint runs is counted from the next batch on."""
        self._unsaved_since.setdefault(partition, time.monotonic())
        self.metrics.unsaved_age.labels(self.name, partition).set_function(lambda: self._unsaved_age(partition))

    def _unsaved_age(self, partition: int) -> float:
        since = self._unsaved_since.get(partition)
        return 0.0 if since is None else time.monotonic() - since

    def _mark_watermark(self, partition: int, watermark_ms: int) -> None:
        if watermark_ms <= 0:
            return  # no payment yet
        self.metrics.watermark_age.labels(self.name, partition).set_function(
            lambda: time.time() - watermark_ms / 1000.0
        )
