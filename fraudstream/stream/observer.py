"""What a worker tells whoever watches it: metrics implement `Observer`, tests record it, the default ignores it.

All methods are called in the worker's event loop, once a list of records or less often, and must return at once; an
observer never decides anything. Arguments are plain numbers, mappings and numpy arrays, so that an implementation need
import nothing of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Milliseconds = npt.NDArray[np.float64]


class Observer(Protocol):
    """Who watches a worker, stage by stage."""

    def of_stage(self, stage: str) -> StageObserver:
        """Who is told of this stage; asked for once, before the stage starts."""


class StageObserver(Protocol):
    """The life of a stage in order of first appearance. Durations are seconds, latencies ms, sizes bytes of keys and
    values."""

    def on_brokers(self, *, answer: bool) -> None:
        """Whether brokers answered just now: asked every few seconds, from before `on_start` on."""

    def on_start(self, *, stage: str, checkpoint_mode: str, rule_set: str, layout: str) -> None:
        """The worker has passed its checks and joins its group."""

    def on_assigned(self, partitions: Sequence[int]) -> None:
        """These are the partitions of the input topic that the worker now owns: all of them, replacing those of the
        last call."""

    def on_revoked(self) -> None:
        """The group shares its partitions out anew: nothing is judged until `on_assigned`."""

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None:
        """So many partitions, of all that are assigned, are still read back; `share` of the records is read, 0 to 1."""

    def on_recovery(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        """The partition's memory is restored from `records` changelog records; judging goes on at `next_offset`."""

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
        """A list of `records` was judged and its answers handed to the producer, which took `seconds`.

        `decisions`: those published, by outcome. `altered`: repeats that are not what was decided. `alert_rules`: how
        often each (rule, severity) stands in the alerts. `dead_letters`: count by reason. `dropped`: records that the
        stage before had sent before. `since_occurred_ms` and `since_arrival_ms`: shape (payments,), from `occurred_at`
        and from the record's timestamp to now. `watermark_ms`, `rows` and `size` describe the
        partition's memory after the batch.
        """

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
        """As `on_batch`, in a stage that another follows: `forwarded` payments and labels went on to it."""

    def on_undecided(self, partition: int, *, sentence: str, backfilling: bool) -> None:
        """The partition is not decided here, and why: its memory is `backfilling`, or was handed over."""

    def on_backfilled(self, partition: int, *, records: int, watermark_ms: int, rows: int, size: int) -> None:
        """A list of `records` went into a memory that is building; the rest as in `on_batch`."""

    def on_decided(self, partition: int, *, rule_set: str | None) -> None:
        """The partition is decided here from now on, under the rules with this digest: its memory is read back or
        built, or its log has switched to them. None: a stage behind this one judges."""

    def on_lag(self, partition: int, *, lag: int) -> None:
        """Records between the last one judged and the end of the partition: after each list, and every few seconds."""

    def on_checkpoint(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        """The partition's changes and position are durable up to `next_offset`."""

    def on_labels_forwarded(self, records: int) -> None:
        """So many records went from the labels topic into the payments log."""

    def on_failure(self, sentence: str) -> None:
        """The worker is about to leave with a non-zero code."""


class Unobserved:
    """The observer that looks away."""

    def of_stage(self, stage: str) -> StageObserver:
        return self

    def on_brokers(self, *, answer: bool) -> None: ...

    def on_revoked(self) -> None: ...

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None: ...

    def on_start(self, *, stage: str, checkpoint_mode: str, rule_set: str, layout: str) -> None: ...

    def on_assigned(self, partitions: Sequence[int]) -> None: ...

    def on_recovery(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None: ...

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
    ) -> None: ...

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
    ) -> None: ...

    def on_undecided(self, partition: int, *, sentence: str, backfilling: bool) -> None: ...

    def on_backfilled(self, partition: int, *, records: int, watermark_ms: int, rows: int, size: int) -> None: ...

    def on_decided(self, partition: int, *, rule_set: str | None) -> None: ...

    def on_lag(self, partition: int, *, lag: int) -> None: ...

    def on_checkpoint(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None: ...

    def on_labels_forwarded(self, records: int) -> None: ...

    def on_failure(self, sentence: str) -> None: ...
