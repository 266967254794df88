"""What a worker reports: metrics implement `Observer`, tests record it, the default ignores it.

All methods are called in the worker's event loop, once a batch or less often, and must return at once; an observer
never influences processing. Arguments are plain numbers, mappings, numpy arrays and structs of them, so that an
implementation need import nothing of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fraudstream.kafka.open_transactions import OpenTransaction

Milliseconds = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedBatch:
    """The result of a span of a batch in the stage that decides, after its outputs were passed to the producer.

    `records`: how many it has, controls included. `payments`: those decided. `decisions`: those published, by outcome.
    `labels`, `labels_unmatched`: applied, and those of them without a payment, by cause. `label_lag_ms`: how long after
    their payments the others were given; float64. `repeats`: repeated payments; `altered`:
    those of them with other content. `late`: payments too old for the state. `unmatched`: reversals and captures whose
    payment a state does not hold. `without_rate`: payments by their currency, where amounts are converted and it has no
    rate. `alerts`: those sent. `alert_rules`: how often each (rule, severity) is in the
    alerts. `scores`: of the payments, 0 to 1; float64, shape (payments,). `shadow_scores`: by the name of each scorer
    that decides nothing, those of the payments that are no repeats; `shadow_alerts`: how many of these reach its
    threshold, by its name and by the live verdict, "alert" or "none"; `shadow_rules`: how often each fired.
    `dead_letters`: count by reason. `dropped`: records that the stage before had sent already. `since_occurred_ms`,
    `since_arrival_ms`: float64, shape (payments,), ms from `occurred_at` and from the record's timestamp to now.
    `trace_ids`: of the payments whose traces are recorded, by their index among the payments. `seconds`: what the span
    took. `watermark_ms` (ms since the epoch), `rows` and `size` (bytes): of the partition's state, after the batch.
    """

    records: int
    payments: int
    decisions: Mapping[str, int]
    labels: int
    labels_unmatched: Mapping[str, int]
    label_lag_ms: Milliseconds
    repeats: int
    altered: int
    late: int
    unmatched: int
    without_rate: Mapping[str, int]
    alerts: int
    alert_rules: Mapping[tuple[str, str], int]
    scores: npt.NDArray[np.float64]
    shadow_scores: Mapping[str, npt.NDArray[np.float64]]
    shadow_alerts: Mapping[tuple[str, str], int]
    shadow_rules: Mapping[str, int]
    dead_letters: Mapping[str, int]
    dropped: int
    since_occurred_ms: Milliseconds
    since_arrival_ms: Milliseconds
    seconds: float
    watermark_ms: int
    rows: int
    size: int
    trace_ids: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedBatch:
    """The same in a stage that another one follows. `forwarded`: payments and labels sent to it; `decisions`: those on
    records that it refused; the other fields are those of `JudgedBatch`."""

    records: int
    forwarded: int
    decisions: Mapping[str, int]
    dead_letters: Mapping[str, int]
    dropped: int
    seconds: float
    watermark_ms: int
    rows: int
    size: int


class Observer(Protocol):
    """Observes a worker."""

    def of_stage(self, stage: str) -> StageObserver:
        """The observer of this stage; called once, before the stage starts."""

    def on_rebalance_started(self) -> None:
        """A rebalance of the first stage's group began."""

    def on_rebalance_ended(self, *, seconds: float) -> None:
        """It ended; it took `seconds`."""


class StageObserver(Protocol):
    """Observes a stage; methods in the order of their first call. Durations are seconds, latencies ms, sizes bytes of
    keys and values."""

    def on_brokers(self, *, answer: bool) -> None:
        """Whether brokers answered just now; reported every few seconds, starting before `on_start`."""

    def on_start(self, *, stage: str, checkpoint_mode: str, rule_set: str, layout: str) -> None:
        """The worker has passed its checks and joins its group."""

    def on_assigned(self, partitions: Sequence[int]) -> None:
        """All partitions of the input topic that the worker owns now; they replace those of the last call."""

    def on_revoked(self) -> None:
        """A rebalance began: nothing is processed until `on_assigned`."""

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None:
        """`partitions`, of all `of` that are assigned, are still being restored; `share` of the records is read, 0 to
        1."""

    def on_recovery(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        """The partition's state is restored from `records` changelog records; processing continues at `next_offset`."""

    def on_batch(self, partition: int, batch: JudgedBatch) -> None:
        """Records were decided and their outputs passed to the producer."""

    def on_forwarded(self, partition: int, batch: ForwardedBatch) -> None:
        """As `on_batch`, in a stage that another one follows."""

    def on_undecided(self, partition: int, *, sentence: str, backfilling: bool) -> None:
        """The partition is not decided here, and why: its state is `backfilling`, or was cut over."""

    def on_backfilled(self, partition: int, *, records: int, watermark_ms: int, rows: int, size: int) -> None:
        """`records` were applied to a state that is backfilling; the rest as in `JudgedBatch`."""

    def on_stopped(self, partition: int, *, sentence: str) -> None:
        """The partition is assigned here and not processed, and why; other partitions are."""

    def on_resumed(self, partition: int) -> None:
        """The partition is not stopped any longer."""

    def on_records_missing(self, partition: int, *, records: int) -> None:
        """The partition continues without `records` records, which retention deleted unprocessed."""

    def on_decided(self, partition: int, *, rule_set: str | None) -> None:
        """The partition is decided here from now on, under the rule set with this digest: its state is restored or
        backfilled, or its log has switched to that rule set. None: a later stage decides."""

    def on_misplaced(self, partition: int, *, records: int, policy: str) -> None:
        """`records` records of the partition belong to other partitions; `policy`: what happens to them."""

    def on_replies(self, replies: Mapping[str, int]) -> None:
        """Answers that headers of payments ask for, by what became of them: `sent`; `refused`: the topic is not allowed
        or does not exist, or the headers cannot be used; `failed`: no broker took it in time."""

    def on_lag(self, partition: int, *, lag: int) -> None:
        """Records between the last one processed and the end of the partition: after each batch, and every few
        seconds."""

    def on_checkpoint(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        """The partition's changes and position are durable up to `next_offset`."""

    def on_labels_forwarded(self, records: int) -> None:
        """`records` records were forwarded from the labels topic to the payments log."""

    def on_labels_missing(self, records: int) -> None:
        """Retention deleted `records` records of the labels topic before they were forwarded."""

    def on_open_transactions(self, waiting: Mapping[int, OpenTransaction]) -> None:
        """All partitions whose records wait for an open transaction of a publisher, by number; they replace those of
        the last call. Reported every few seconds."""

    def on_standby(self, behind: Mapping[int, int | None]) -> None:
        """The partitions whose changelogs a standby follows, each with the number of changelog records that it has not
        read yet, None while unknown; they replace those of the last call."""

    def on_failure(self, sentence: str) -> None:
        """The worker is about to exit with a non-zero code."""


class Unobserved:
    """The observer that ignores everything."""

    def of_stage(self, stage: str) -> StageObserver:
        """Itself."""
        return self

    def on_rebalance_started(self) -> None:
        """Ignored."""

    def on_rebalance_ended(self, *, seconds: float) -> None:
        """Ignored."""

    def on_brokers(self, *, answer: bool) -> None:
        """Ignored."""

    def on_revoked(self) -> None:
        """Ignored."""

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None:
        """Ignored."""

    def on_start(self, *, stage: str, checkpoint_mode: str, rule_set: str, layout: str) -> None:
        """Ignored."""

    def on_assigned(self, partitions: Sequence[int]) -> None:
        """Ignored."""

    def on_recovery(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        """Ignored."""

    def on_batch(self, partition: int, batch: JudgedBatch) -> None:
        """Ignored."""

    def on_forwarded(self, partition: int, batch: ForwardedBatch) -> None:
        """Ignored."""

    def on_undecided(self, partition: int, *, sentence: str, backfilling: bool) -> None:
        """Ignored."""

    def on_backfilled(self, partition: int, *, records: int, watermark_ms: int, rows: int, size: int) -> None:
        """Ignored."""

    def on_stopped(self, partition: int, *, sentence: str) -> None:
        """Ignored."""

    def on_resumed(self, partition: int) -> None:
        """Ignored."""

    def on_records_missing(self, partition: int, *, records: int) -> None:
        """Ignored."""

    def on_decided(self, partition: int, *, rule_set: str | None) -> None:
        """Ignored."""

    def on_misplaced(self, partition: int, *, records: int, policy: str) -> None:
        """Ignored."""

    def on_replies(self, replies: Mapping[str, int]) -> None:
        """Ignored."""

    def on_lag(self, partition: int, *, lag: int) -> None:
        """Ignored."""

    def on_checkpoint(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        """Ignored."""

    def on_labels_forwarded(self, records: int) -> None:
        """Ignored."""

    def on_labels_missing(self, records: int) -> None:
        """Ignored."""

    def on_open_transactions(self, waiting: Mapping[int, OpenTransaction]) -> None:
        """Ignored."""

    def on_standby(self, behind: Mapping[int, int | None]) -> None:
        """Ignored."""

    def on_failure(self, sentence: str) -> None:
        """Ignored."""
