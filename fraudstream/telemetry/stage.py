"""The metrics of one stage of a worker. Nothing here loops over payments: the cost is paid once a batch."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from prometheus_client import Counter, Gauge

from fraudstream.telemetry.array_histogram import LabelledCounts
from fraudstream.telemetry.children import Children
from fraudstream.telemetry.event_loop_watchdog import EventLoopWatchdog
from fraudstream.telemetry.metrics import WorkerMetrics
from fraudstream.telemetry.observed_batch import Batch, ForwardedBatch, JudgedBatch
from fraudstream.telemetry.process import ProcessTelemetry
from fraudstream.telemetry.score_bins import ScoreBins
from fraudstream.telemetry.shadows import ShadowTelemetry


class _BatchMetrics(NamedTuple):
    """One stage's children of the metrics that every batch has."""

    records: Counter
    resent: Counter
    batch_records: LabelledCounts
    batch_seconds: LabelledCounts


class _StateGauges(NamedTuple):
    """One partition's children of the gauges of its state."""

    rows: Gauge
    bytes: Gauge


class StageTelemetry(ProcessTelemetry):
    """The observer of one stage of the worker."""

    def __init__(
        self, metrics: WorkerMetrics, watchdog: EventLoopWatchdog, stage: str, starts: Callable[..., None]
    ) -> None:
        """`stage`: its name, a label of all its metrics. `starts`: what `on_start` passes its arguments to."""
        self.metrics = metrics
        by_partition = (
            metrics.watermark_age,
            metrics.state_rows,
            metrics.state_bytes,
            metrics.unsaved_age,
            metrics.backfill_lag,
        )
        super().__init__(metrics, by_partition, watchdog, (stage,))
        self.name = stage
        self._starts = starts
        self._state_gauges: dict[int, _StateGauges] = {}
        self._watermark_ms: dict[int, int] = {}
        self._decisions, self._dead_letters = Children(metrics.decisions), Children(metrics.dead_letters)
        self._rules, self._scores = Children(metrics.rules), ScoreBins(metrics.scores)
        self._shadows = ShadowTelemetry(metrics)
        self._unsaved_since: dict[int, float] = {}
        self._backfilling: Mapping[int, int | None] = {}  # records behind, once they are known
        self._undecided: Mapping[int, str] = {}  # the reason
        self._rule_sets: dict[int, str] = {}  # in force
        self._stopped: Mapping[int, str] = {}  # the reason
        self._standby: Mapping[int, int | None] = {}  # changelog records behind, once they are known

    def ready(self) -> str | None:
        """None, or why the stage does not decide its partitions at the moment. Stopped partitions do not count while
        there are others."""
        if self._stopped and self._stopped.keys() >= (self._assigned or frozenset()):
            return " ".join(self._sentences_of_stopped())
        if (fault := super().ready()) or not self._undecided:
            return fault
        number, sentence = min(self._undecided.items())
        if self._backfilling:
            behind = sum(lag or 0 for lag in self._backfilling.values())
            known = None not in self._backfilling.values()
            return f"{sentence}, {behind:,} records behind" if known else sentence
        others = f" and {len(self._undecided) - 1} others" if len(self._undecided) > 1 else ""
        return f"partition {number}{others}: {sentence}"

    def notes(self) -> str | None:
        """What keeps single partitions from being processed, though the stage is ready, and what it is a standby for;
        None if nothing."""
        standby = [_standby_sentence(self._standby)] if self._standby else []
        return " ".join(self._sentences_of_stopped() + standby) or None

    def _sentences_of_stopped(self) -> list[str]:
        return [f"partition {number} is stopped: {why}" for number, why in sorted(self._stopped.items())]

    def on_start(self, *, stage: str, checkpoint_mode: str, rule_set: str, layout: str) -> None:
        """Passed to the worker's telemetry."""
        self._starts(stage=stage, checkpoint_mode=checkpoint_mode, rule_set=rule_set, layout=layout)

    def on_assigned(self, partitions: Sequence[int]) -> None:
        """Drop partitions that are no longer assigned."""
        self._unsaved_since = {
            partition: since for partition, since in self._unsaved_since.items() if partition in partitions
        }
        self._backfilling = {number: lag for number, lag in self._backfilling.items() if number in partitions}
        self._set_undecided({number: why for number, why in self._undecided.items() if number in partitions})
        self._set_rule_sets({number: digest for number, digest in self._rule_sets.items() if number in partitions})
        self._set_stopped({number: why for number, why in self._stopped.items() if number in partitions})
        for number in self._state_gauges.keys() - set(partitions):
            del self._state_gauges[number]
            self._watermark_ms.pop(number, None)
        super().on_assigned(partitions)

    def on_undecided(self, partition: int, *, sentence: str, backfilling: bool) -> None:
        """Not ready because of `sentence`. A partition that was cut over has no lag."""
        if backfilling:
            self._backfilling = {**self._backfilling, partition: None}
        else:
            self._forget_lag(partition)
        self._set_undecided({**self._undecided, partition: sentence})
        self._set_rule_sets({number: digest for number, digest in self._rule_sets.items() if number != partition})

    def on_decided(self, partition: int, *, rule_set: str | None) -> None:
        """Ready, as far as this partition is concerned."""
        if rule_set is not None:
            self._set_rule_sets({**self._rule_sets, partition: rule_set})
        self._backfilling = {number: lag for number, lag in self._backfilling.items() if number != partition}
        self._set_undecided({number: why for number, why in self._undecided.items() if number != partition})
        self.metrics.backfill_lag.remove(self.name, str(partition))

    def on_stopped(self, partition: int, *, sentence: str) -> None:
        """Not processed: it has no lag, and does not recover."""
        self._set_stopped({**self._stopped, partition: sentence})
        self._set_rule_sets({number: digest for number, digest in self._rule_sets.items() if number != partition})
        self._forget_lag(partition)
        self._mark_recovered(self._recovered | {partition})

    def on_resumed(self, partition: int) -> None:
        """It is processed again."""
        self._set_stopped({number: why for number, why in self._stopped.items() if number != partition})

    def on_standby(self, behind: Mapping[int, int | None]) -> None:
        """Publish how far behind the standby is."""
        for partition in self._standby.keys() - behind.keys():
            self.metrics.standby_lag.remove(self.name, str(partition))
        for partition, records in behind.items():
            if records is not None:
                self.metrics.standby_lag.labels(self.name, partition).set(records)
        self._standby = behind

    def on_records_missing(self, partition: int, *, records: int) -> None:
        """Count the records of an accepted gap."""
        self.metrics.missing.labels(self.name).inc(records)

    def on_backfilled(self, partition: int, *, records: int, watermark_ms: int, rows: int, size: int) -> None:
        """Count records that were applied and not decided."""
        self._mark_applied(partition, rows, size, watermark_ms)
        self._of_stage.records.inc(records)

    def on_lag(self, partition: int, *, lag: int) -> None:
        """The lag of a backfill is a separate metric, as no decisions wait for it."""
        if partition not in self._backfilling:
            super().on_lag(partition, lag=lag)
            return
        self._backfilling = {**self._backfilling, partition: lag}
        self.metrics.backfill_lag.labels(self.name, partition).set(lag)

    def _set_undecided(self, undecided: Mapping[int, str]) -> None:
        self._undecided = undecided
        self.metrics.cut_over.labels(self.name).set(len(undecided.keys() - self._backfilling.keys()))

    def _set_stopped(self, stopped: Mapping[int, str]) -> None:
        self._stopped = stopped
        self.metrics.stopped.labels(self.name).set(len(stopped))

    def _set_rule_sets(self, rule_sets: dict[int, str]) -> None:
        counts = collections.Counter(rule_sets.values())
        for digest in set(self._rule_sets.values()) - counts.keys():
            self.metrics.rule_sets.remove(self.name, digest)
        for digest, partitions in counts.items():
            self.metrics.rule_sets.labels(self.name, digest).set(partitions)
        self._rule_sets = rule_sets

    def on_recovery(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        """Count a recovery."""
        self._observe_recovery(partition, seconds)
        self.metrics.recovery_records.labels(self.name).inc(records)

    def on_batch(self, partition: int, batch: JudgedBatch) -> None:
        """Count a batch of the stage that decides."""
        metrics = self.metrics
        for counter, count in (
            (metrics.payments, batch.payments),
            (metrics.labels, batch.labels),
            (metrics.repeats, batch.repeats),
            (metrics.altered, batch.altered),
            (metrics.late, batch.late),
            (metrics.unmatched, batch.unmatched),
            (metrics.alerts, batch.alerts),
        ):
            if count:
                counter.inc(count)
        for rule, count in batch.alert_rules.items():
            self._rules[rule].inc(count)
        for cause, count in batch.labels_unmatched.items():
            metrics.labels_unmatched.labels(cause).inc(count)
        for currency, count in batch.without_rate.items():
            metrics.without_rate.labels(currency).inc(count)
        metrics.label_lag.observe(batch.label_lag_ms / 1000.0)
        self._scores.observe(batch.scores)
        self._shadows.observe(batch)
        metrics.since_occurred.observe(batch.since_occurred_ms / 1000.0, batch.trace_ids)
        metrics.since_arrival.observe(batch.since_arrival_ms / 1000.0, batch.trace_ids)
        self._count_batch(partition, batch)

    def on_forwarded(self, partition: int, batch: ForwardedBatch) -> None:
        """Count a batch of a stage that another one follows."""
        self.metrics.forwarded.labels(self.name).inc(batch.forwarded)
        self._count_batch(partition, batch)

    def _count_batch(self, partition: int, batch: Batch) -> None:
        for outcome, count in batch.decisions.items():
            self._decisions[outcome].inc(count)
        for reason, count in batch.dead_letters.items():
            self._dead_letters[reason].inc(count)
        metrics = self._of_stage
        if batch.dropped:
            metrics.resent.inc(batch.dropped)
        metrics.batch_records.observe_one(batch.records)
        metrics.batch_seconds.observe_one(batch.seconds)
        self._mark_applied(partition, batch.rows, batch.size, batch.watermark_ms)
        metrics.records.inc(batch.records)  # last: a scrape that counts these records counts all above

    @cached_property
    def _of_stage(self) -> _BatchMetrics:
        """Looked up with the first batch: before it there is nothing to show."""
        metrics, stage = self.metrics, self.name
        return _BatchMetrics(
            metrics.records.labels(stage),
            metrics.resent.labels(stage),
            metrics.batch_records.labels(stage),
            metrics.batch_seconds.labels(stage),
        )

    def _mark_applied(self, partition: int, rows: int, size: int, watermark_ms: int) -> None:
        """Records were applied to the partition's state."""
        gauges = self._state_gauges.get(partition)
        if gauges is None:
            gauges = self._state_gauges[partition] = self._new_state_gauges(partition)
        gauges.rows.set(rows)
        gauges.bytes.set(size)
        now_s = time.monotonic()
        self._unsaved_since.setdefault(partition, now_s)  # during a checkpoint: from the next batch on
        self._mark_moved(partition, now_s)
        self._mark_watermark(partition, watermark_ms)

    # Ages are computed when they are scraped: they must grow while no payment comes and no checkpoint ends.

    def _new_state_gauges(self, partition: int) -> _StateGauges:
        metrics, stage = self.metrics, self.name
        metrics.unsaved_age.labels(stage, partition).set_function(lambda: self._unsaved_age(partition))
        return _StateGauges(metrics.state_rows.labels(stage, partition), metrics.state_bytes.labels(stage, partition))

    def _unsaved_age(self, partition: int) -> float:
        since = self._unsaved_since.get(partition)
        return 0.0 if since is None else time.monotonic() - since

    def _mark_watermark(self, partition: int, watermark_ms: int) -> None:
        if watermark_ms <= 0:
            return  # no payment yet
        known = partition in self._watermark_ms
        self._watermark_ms[partition] = watermark_ms
        if not known:
            self.metrics.watermark_age.labels(self.name, partition).set_function(lambda: self._watermark_age(partition))

    def _watermark_age(self, partition: int) -> float:
        watermark_ms = self._watermark_ms.get(partition)
        return 0.0 if watermark_ms is None else time.time() - watermark_ms / 1000.0

    def on_checkpoint(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        """Count a checkpoint; nothing is unsaved."""
        self.metrics.checkpoint_seconds.labels(self.name).observe(seconds)
        self.metrics.checkpoint_bytes.labels(self.name).observe(size)
        self.metrics.checkpoint_records.labels(self.name).inc(records)
        self._unsaved_since.pop(partition, None)

    def on_misplaced(self, partition: int, *, records: int, policy: str) -> None:
        """Count misplaced records."""
        self.metrics.misplaced.labels(partition, policy).inc(records)

    def on_replies(self, replies: Mapping[str, int]) -> None:
        """Count answers that headers of payments ask for."""
        for result, count in replies.items():
            self.metrics.replies.labels(self.name, result).inc(count)

    def on_labels_forwarded(self, records: int) -> None:
        """Count forwarded labels."""
        self.metrics.labels_forwarded.inc(records)

    def on_labels_missing(self, records: int) -> None:
        """Count labels that were deleted before they were forwarded."""
        self.metrics.labels_missing.inc(records)


def _standby_sentence(behind: Mapping[int, int | None]) -> str:
    """
    >>> _standby_sentence({0: 12, 1: 0}), _standby_sentence({0: None})
    ('standby for 2 partitions, 12 changelog records behind', 'standby for 1 partitions, reading the changelog')
    """
    known = [records for records in behind.values() if records is not None]
    how = f"{sum(known):,} changelog records behind" if len(known) == len(behind) else "reading the changelog"
    return f"standby for {len(behind)} partitions, {how}"
