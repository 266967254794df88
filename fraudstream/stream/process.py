"""A batch of records from one partition: apply it to the state, send the outputs, and advance the position.

All work is for whole batches: one decode call, one engine call, one encoding pass. Nothing here waits for a checkpoint;
acknowledgements are added to the partition's pending ones, which its next checkpoint awaits. The batches of one fetch,
one a partition, are a step: while they are few and small, their outputs leave together at its end.

    batch ─► apply to state ─► spans ─► advance position ─► per span: outputs, dead letters, report ─► transitions
                                        (no await since apply)                                    (backfilled, cut over)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from fraudstream.contracts.headers import BACKFILLED_HEADER, CONTROL_HEADER
from fraudstream.engine.forwarded_features import OtherFeatures
from fraudstream.engine.placement import Misplaced
from fraudstream.stream.failure import PermanentFailure

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.engine.records import Records
    from fraudstream.stream.misplaced import MisplacedRecords
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.outputs import Departures
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import InputLog
    from fraudstream.stream.record_batch import RecordBatch
    from fraudstream.stream.state_versions import StateVersions

TOGETHER_MAX = 1_000  # records of a step whose outputs leave together: more take long, and make large batches anyway
REFETCHES_MAX = 100  # batches in a row that begin beyond the position: more is a fault, not a rebalance

log = logging.getLogger(__name__)


class SpanResult(Protocol):
    """The part of the engine's results that is needed here."""

    @property
    def misplaced(self) -> tuple[Misplaced, ...]:
        """The records that belong to other partitions."""


class Span(Protocol):
    """Records of a batch that were applied together; the engine's `JudgedSpan` and `ForwardedSpan` fit."""

    @property
    def records(self) -> int:
        """How many, controls included."""

    @property
    def result(self) -> SpanResult:
        """What applying them produced."""

    @property
    def decided(self) -> bool:
        """Whether this state version decides them."""


SpanT = TypeVar("SpanT", bound=Span)


class SpanProcessor(Protocol[SpanT]):
    """What differs between the stage that decides (`Judging`) and one that forwards (`Forwarding`)."""

    async def prepare(self, state: PartitionState, records: Sequence[LogRecord]) -> Sequence[int]:
        """Load what `apply` needs, before anything is applied; returns the argument `controls` of `apply`."""

    def apply(self, state: PartitionState, records: Sequence[LogRecord], controls: Sequence[int]) -> Sequence[SpanT]:
        """Apply `records` to `state`; the spans cover them from the first one on, all unless the state is cut over.

        Raises `OtherFeatures` if the stage before ran under another catalogue.
        """

    def send(self, partition: Partition, records: Sequence[LogRecord], span: SpanT, started_s: float) -> None:
        """Start to send the span's outputs and report it to the observer. `started_s`: `time.perf_counter` when work on
        the span began. Adds what was applied and what is pending to the partition."""


class StopsPartitions(Protocol):
    """Stops partitions that cannot continue; `PartitionStops` is one."""

    async def stop_if_records_missing(self, partition: Partition) -> bool:
        """Stop the partition if its log begins above its position; returns whether it does."""

    def stop_faulty(self, partition: Partition, fault: PermanentFailure) -> None:
        """Stop the partition because of `fault`."""


class BatchProcessor(Generic[SpanT]):
    """Processes the batches of a stage's input, one at a time in each partition."""

    def __init__(
        self,
        *,
        input_topic: str,
        partitions: Mapping[int, Partition],
        spans: SpanProcessor[SpanT],
        misplaced: MisplacedRecords,
        versions: StateVersions,
        stops: StopsPartitions,
        input_log: InputLog,
        departures: Departures,
        observer: StageObserver,
    ) -> None:
        """`partitions`: a live view of those that the stage holds. `departures`: of the stage's outputs."""
        self._input_topic, self._partitions = input_topic, partitions
        self._spans, self._misplaced = spans, misplaced
        self._versions, self._stops, self._input_log, self._observer = versions, stops, input_log, observer
        self._departures = departures
        self._refetches = 0

    async def process(self, batches: Mapping[int, RecordBatch], on_last: Callable[[], None] = lambda: None) -> None:
        """Apply the batches of one fetch, by partition, and start to send their outputs; wait while too many are not
        acknowledged. `on_last`: called before the last batch is applied.

        A batch is dropped if the partition was revoked or is frozen, or if it was applied before. One that begins
        beyond the position is not applied: fetching goes back, or the partition is stopped if the records before it are
        deleted. A batch that cannot be applied stops the partition, too. Raises what the engine raises, and the error
        of an output that was not acknowledged.
        """
        taken = []
        few = sum(len(batch.records) for batch in batches.values()) <= TOGETHER_MAX
        with self._departures.together() if few else nullcontext():
            for left, (number, batch) in zip(reversed(range(len(batches))), batches.items(), strict=True):
                if not left:
                    on_last()
                if (partition := await self._take(number, batch)) is not None:
                    taken.append((partition, batch))
                if not few:
                    await asyncio.sleep(0)  # the other stages' turn
        for partition, batch in taken:
            await self._after(partition, batch)

    async def _take(self, number: int, batch: RecordBatch) -> Partition | None:
        """Apply the batch if it follows the position; returns the partition, None if nothing is left to do."""
        partition = self._partitions.get(number)
        if partition is None:
            return None
        async with partition.lock:
            if partition.frozen or batch.next <= partition.next_offset:
                return None
            if batch.first <= partition.next_offset:
                self._refetches = 0
                try:
                    await self._apply(partition, batch)
                except PermanentFailure as fault:  # of the log: its rules, or the stage before; nothing of it is saved
                    self._stops.stop_faulty(partition, fault)
                    return None
        return partition

    async def _after(self, partition: Partition, batch: RecordBatch) -> None:
        """What may wait for a broker once the batch is taken."""
        if batch.first > partition.next_offset:
            if not await self._stops.stop_if_records_missing(partition):
                await self._seek_back(partition, batch)
            return
        if partition.cut_over:
            await self._versions.cut_over(partition)
            return
        await partition.limit_pending()
        self._observer.on_lag(partition.number, lag=max(0, batch.end - batch.next))

    async def _seek_back(self, partition: Partition, batch: RecordBatch) -> None:
        """A batch before this one was dropped by a rebalance: fetch again from the position."""
        self._refetches += 1
        assert self._refetches <= REFETCHES_MAX, (
            f"{self._input_topic}-{partition.number}: {self._refetches} batches in a row begin beyond "
            f"{partition.next_offset}, the last at {batch.first}"
        )
        log.info("partition %d: seeking back from %d to %d", partition.number, batch.first, partition.next_offset)
        await self._input_log.seek(partition.number, partition.next_offset)

    async def _apply(self, partition: Partition, batch: RecordBatch) -> None:
        records, state = batch.records.since(partition.next_offset), partition.state
        controls = await self._spans.prepare(state, records)
        started_s, rule_set_before, backfilling_before = time.perf_counter(), state.rule_set, state.backfilling
        try:
            spans = self._spans.apply(state, records, controls)
        except OtherFeatures as error:
            raise PermanentFailure(f"{self._input_topic}-{partition.number}: {error}") from error
        _advance(partition, batch, records, spans)  # before any await: what is applied is never applied again
        for span in spans:
            self._spans.send(partition, records, span, started_s)
            if span.result.misplaced:
                self._misplaced.handle(partition, records, span.result.misplaced, span.decided)
            started_s = time.perf_counter()
        if backfilling_before and not state.backfilling:
            self._versions.start_deciding(partition)
        elif state.rule_set != rule_set_before:
            log.info("partition %d: the rule set %s is in force", partition.number, state.rule_set)
            self._observer.on_decided(partition.number, rule_set=state.rule_set)
        if partition.backfilled_only and any(map(_is_decided, records)):
            self._versions.start_deciding(partition)


def _advance(partition: Partition, batch: RecordBatch, records: Records, spans: Sequence[Any]) -> None:
    """Set the position after the records applied: the whole batch, or up to the switch that cut the partition over."""
    applied = sum(span.records for span in spans)
    partition.next_offset = records[:applied].last_offset + 1 if partition.cut_over else batch.next


def _is_decided(record: LogRecord) -> bool:
    """Whether the stage before forwarded the record to be decided, not to be backfilled."""
    return BACKFILLED_HEADER not in record.headers and CONTROL_HEADER not in record.headers
