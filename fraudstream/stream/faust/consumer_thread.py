"""Faust's consumer thread, which also records where each batch begins and ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from faust.types import TP

from fraudstream.engine.records import Records, joined
from fraudstream.kafka.offset_gaps import OffsetGaps
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust.consumer_offsets import ConsumerOffsets
from fraudstream.stream.faust.fetched_records import read_as_spans

STALE_S = 0.005  # records fetched longer ago cause a second fetch, which may take as long
FEW_RECORDS = 1_000  # a batch of this many needs no second fetch
ALL_STOPPED_S = 0.2  # before the next look whether a stopped partition is resumed
GAP_OF_A_MARKER = 1  # offsets that the marker at the end of one transaction takes


class ConsumerThread(ConsumerOffsets):
    """The thread that fetches. `bounds`: of the last fetch, by partition, where its batch begins and where the next one
    will: the `first` and `next` of its `RecordBatch`."""

    def __post_init__(self) -> None:
        """Called by Faust at the end of the construction."""
        super().__post_init__()
        self.bounds: dict[TP, tuple[int, int]] = {}
        self._offset_gaps: OffsetGaps | None = None
        self._sought: dict[TP, tuple[Any, int]] = {}  # during a fetch: the state of the partition then, and the offset
        self._fetched_at = 0.0
        self._passed: dict[TP, tuple[int, int]] = {}  # fetches without a record: from, to
        self._cut: dict[TP, int] = {}  # where the batch of a fetch ends before deleted records
        self._paused: frozenset[TP] = frozenset()

    async def on_start(self) -> None:
        """Called by Faust when the thread starts."""
        await super().on_start()
        read_as_spans(self._ensure_consumer()._fetcher)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust sets it only with its own exactly_once
        consumer._fetch_max_wait_ms = self.app.settings.fetch_wait  # Faust fixes 1500
        self._offset_gaps = OffsetGaps(consumer) if self.app.settings.checkpoint_mode == "batch" else None
        return consumer

    def note_poll(self) -> None:
        """There is nothing to fetch at the moment. May be called in any thread.

        Without this the client takes the worker for stuck after `MAX_POLL_INTERVAL_S`, leaves the group, and never
        joins it again: nobody would take over from the owner of the last partition.
        """
        if self._consumer is not None:
            self._consumer._subscription._last_fetch_ended = time.monotonic()

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        """As Faust's, without its queue."""
        consumer = self._ensure_consumer()
        at_most = consumer._max_poll_records
        return await self._at_once(
            self._fetch_records(consumer, active_partitions, timeout=timeout, max_records=at_most)
        )

    async def _fetch_records(self, consumer: Any, active_partitions: Any, *args: Any, **kwargs: Any) -> Any:
        """Fetch, and set the `bounds` of each batch; returns the records by partition.

        Invariant: `bounds` of a partition begin where those of its last fetch ended, or at the offset of a later seek.
        """
        active = set(active_partitions or ())  # Faust changes its own set in another thread
        if not active:
            return {}
        active -= self._pause_stopped(consumer)
        if not active:
            self.note_poll()
            await asyncio.sleep(ALL_STOPPED_S)
            return {}
        begins, states = {tp: self.begin_now(tp) for tp in active}, {tp: self._state(tp) for tp in active}
        self._sought.clear()
        self._cut.clear()
        records = await self._fetch_ahead_and_new(consumer, active, *args, **kwargs)
        starts = {tp: self._start(tp, states[tp], begin) for tp, begin in begins.items()}
        if self._offset_gaps is not None:
            records = self._without_gaps(self._offset_gaps, records, starts)
        positions = {
            tp: self.position_now(tp) for tp in active
        }  # read first: the checks below await, and a seek may intervene
        self._note_markers(starts, positions, records)
        self.bounds = {}
        for tp, batch in records.items():
            start = starts.get(tp)
            if start is not None and await self._deleted_between(consumer, tp, start, batch.first_offset):
                start = batch.first_offset  # the stage sees that records are missing before the batch
            self.bounds[tp] = _bounds_of(batch, start, self._cut.get(tp, positions.get(tp)))
        return records

    def _pause_stopped(self, consumer: Any) -> frozenset[TP]:
        """Stop fetching from the partitions that the stage has stopped, and fetch again from those that it has
        resumed; returns the stopped ones."""
        stopped = self.app.stopped
        for tp in stopped | self._paused:
            if (state := self._state(tp)) is not None and state.paused != (tp in stopped):
                (consumer.pause if tp in stopped else consumer.resume)(TopicPartition(*tp))
        self._paused = stopped
        return stopped

    def _note_markers(
        self, starts: Mapping[TP, int | None], positions: Mapping[TP, int | None], records: Mapping[TP, Any]
    ) -> None:
        """Record where the position advanced without a record: the next batch begins before those markers."""
        self._passed = {}
        for tp, start in starts.items():
            after = positions[tp]
            if tp not in records and start is not None and after is not None and after > start:
                self._passed[tp] = (start, after)

    async def _fetch_ahead_and_new(
        self, consumer: Any, active: set[TP], *args: Any, **kwargs: Any
    ) -> dict[TP, Records]:
        """The records fetched ahead, and those that have reached the broker since.

        aiokafka fetches ahead once, and not again until those records are taken: records that arrive during processing
        would wait for another round.
        """
        ahead = bool(consumer._fetcher._records) and time.monotonic() - self._fetched_at > STALE_S
        records: dict[TP, Any] = dict(await super()._fetch_records(consumer, active, *args, **kwargs))
        count, at_most = sum(map(len, records.values())), consumer._max_poll_records
        few = 0 < count < min(FEW_RECORDS, at_most)
        if ahead and few and all(tp.topic in self.app.settings.topics_read for tp in records):
            await self._append_new(consumer, active, records, at_most - count)
        self._fetched_at = time.monotonic()
        return records

    async def _append_new(self, consumer: Any, active: set[TP], records: dict[TP, Records], at_most: int) -> None:
        """Fetch again, and append to `records`, in place; partitions with a seek meanwhile are removed."""
        before = {tp: (self._state(tp), self._sought.get(tp)) for tp in records}
        new: Mapping[TP, Any] = await super()._fetch_records(consumer, active, timeout=STALE_S, max_records=at_most)
        for tp, (state, sought) in before.items():
            if self._state(tp) is not state or self._sought.get(tp) is not sought:
                del records[tp]
        for tp, batch in new.items():
            if (first := records.get(tp)) is not None:
                following = first.last_offset + 1
                if await self._deleted_between(consumer, tp, following, batch.first_offset):
                    self._cut[tp] = following
                    continue
            records[tp] = batch if first is None else joined(first, batch)

    def _without_gaps(
        self, offset_gaps: OffsetGaps, records: Mapping[TP, Records], starts: Mapping[TP, int | None]
    ) -> dict[TP, Records]:
        """The records fetched, up to the first gap of each partition; partitions that begin with one are left out."""
        whole = {}
        for tp, batch in records.items():
            start = starts.get(tp)
            if start is not None:
                batch = batch[: offset_gaps.count(tp, start, batch)]
            if batch:
                whole[tp] = batch
        return whole

    def _start(self, tp: TP, state: Any, begin: int | None) -> int | None:
        """Where a completed fetch began to read: at `begin`, or at the offset of a later seek.

        None for a partition that was assigned again since: it begins at the group's committed offset.
        """
        now = self._state(tp)
        sought_in, offset = self._sought.get(tp, (None, None))
        if now is not None and now is sought_in:
            return offset
        return begin if now is state else None

    def begin_now(self, tp: TP) -> int | None:
        """Where the next batch begins: at the position, or before markers that fetching has passed on the way there."""
        position = self.position_now(tp)
        start, after = self._passed.get(tp, (position, position))
        return start if after == position else position

    async def _deleted_between(self, consumer: Any, tp: TP, start: int, first: int) -> bool:
        """Whether retention has deleted records between `start`, where the fetch began, and its first record.

        A gap is made by markers and aborted records, unless the log now begins after `start`. Raises `WorkerFailure` if
        the log went back, and for deleted records of a changelog that is being restored.
        """
        if first < start and tp.topic in self.app.settings.topics_read:
            raise WorkerFailure(
                f"{tp.topic}-{tp.partition}: the log went back from {start} to {first}: its end was lost, or it "
                "was created again. After a restart the worker says what to do."
            )
        if first - start <= GAP_OF_A_MARKER or (earliest := (await consumer.beginning_offsets([tp]))[tp]) <= start:
            return False
        if tp.topic not in self.app.settings.topics_read:
            raise WorkerFailure(
                f"{tp.topic}-{tp.partition}: retention deleted the records {start} to {earliest - 1} before they were "
                "read. Give the topic a longer retention; after a restart the worker says what to do."
            )
        return True

    async def seek_all(self, offsets: Mapping[TP, int]) -> None:
        """Continue fetching at these offsets; records fetched from other offsets are dropped."""
        consumer = self._ensure_consumer()

        async def seek() -> None:
            for tp, offset in offsets.items():
                if self._state(tp) is not None:  # else it was revoked meanwhile
                    consumer.seek(TopicPartition(*tp), offset)
                    self._sought[TP(*tp)] = self._state(tp), offset

        await self.call_thread(seek)

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        self._sought |= {TP(*tp): (self._state(tp), offset) for tp, offset in partitions.items()}
        await super()._seek_wait(consumer, partitions)  # the first thing it does, before it waits


def _bounds_of(batch: Records, start: int | None, position: int | None) -> tuple[int, int]:
    """Where a batch begins and the next one will. `start`: where its fetch began, `position`: of the consumer after
    it; each None if it is not known."""
    first, behind_last = batch.first_offset, batch.last_offset + 1
    return first if start is None else min(start, first), behind_last if position is None else max(
        position, behind_last
    )
