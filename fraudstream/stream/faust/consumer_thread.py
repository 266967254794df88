"""The thread that fetches: Faust's, with what that does not keep: where each list begins and ends, and each log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from fraudstream.kafka.offset_gaps import OffsetGaps
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust.raw_records import use_raw_records

if TYPE_CHECKING:
    from fraudstream.stream.faust.app import StreamApp

FAUST_LOG = logging.getLogger("faust.transport.lists")  # else mode writes its notes into our log
HIGHWATER_POLL_S = 0.02
STALE_S = 0.005  # what was fetched so long ago is worth asking for more; as long may that take
FEW_RECORDS = 1_000  # with so many a list is worth its cost as it is
GAP_OF_A_MARKER = 1  # what the end of one publisher's transaction takes in the log

T = TypeVar("T")


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches. It notes where each list begins and ends."""

    logger = FAUST_LOG

    app: StreamApp

    def __post_init__(self) -> None:
        super().__post_init__()
        self.spans: dict[TP, tuple[int, int]] = {}
        self._offset_gaps: OffsetGaps | None = None
        self._sought: dict[TP, tuple[Any, int]] = {}  # during a fetch: which state of a partition, and where to
        self._commits = asyncio.Lock()  # one commit at a time
        self._fetched_at = 0.0
        self._passed: dict[TP, tuple[int, int]] = {}  # where a fetch moved on and brought no record: only markers

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust sets it only with its own exactly_once
        consumer._fetch_max_wait_ms = self.app.settings.fetch_wait  # Faust fixes 1500
        self._offset_gaps = OffsetGaps(consumer) if self.app.settings.checkpoint_mode == "batch" else None
        return consumer

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        """What Faust's does, without its queue."""
        consumer = self._ensure_consumer()
        at_most = consumer._max_poll_records
        return await self._at_once(
            self._fetch_records(consumer, active_partitions, timeout=timeout, max_records=at_most)
        )

    async def _fetch_records(self, consumer: Any, active_partitions: Any, *args: Any, **kwargs: Any) -> Any:
        active = set(active_partitions or ())  # Faust changes its own in another thread
        if not active:
            return {}
        before, states = {tp: self.begin_now(tp) for tp in active}, {tp: self._state(tp) for tp in active}
        self._sought.clear()
        records = await self._fresh(consumer, active, *args, **kwargs)
        starts = {tp: self._start(tp, states[tp], begin) for tp, begin in before.items()}
        if self._offset_gaps is not None:
            records = self._whole(self._offset_gaps, records, starts)
        positions = {tp: self.position_now(tp) for tp in active}  # a seek may come while we ask further down
        self.spans, self._passed = {}, {}
        for tp, start in starts.items():
            after = positions[tp]
            if tp not in records and start is not None and after is not None and after > start:
                self._passed[tp] = (start, after)
        for tp, batch in records.items():
            start, first = starts.get(tp), batch[0].offset
            if start is not None:
                await self._check_goes_on(consumer, tp, start, first)
            after = positions.get(tp)
            self.spans[tp] = (
                first if start is None else min(start, first),
                batch[-1].offset + 1 if after is None else max(after, batch[-1].offset + 1),
            )
        return records

    async def _fresh(self, consumer: Any, active: set[TP], *args: Any, **kwargs: Any) -> dict[TP, Any]:
        """What is fetched, and what came to the broker since. aiokafka fetches ahead, but then the first record that
        comes, and no more until that is taken: while judging takes its time, all others would wait for another round.
        """
        use_raw_records(consumer._fetcher)
        ahead = bool(consumer._fetcher._records) and time.monotonic() - self._fetched_at > STALE_S
        records = dict(await super()._fetch_records(consumer, active, *args, **kwargs))
        count, at_most = sum(map(len, records.values())), consumer._max_poll_records
        few = 0 < count < min(FEW_RECORDS, at_most)
        if ahead and few and all(tp.topic in self.app.settings.topics_read for tp in records):
            stood = {tp: (self._state(tp), self._sought.get(tp)) for tp in records}
            since = await super()._fetch_records(consumer, active, timeout=STALE_S, max_records=at_most - count)
            for tp, (state, sought) in stood.items():
                if self._state(tp) is not state or self._sought.get(tp) is not sought:
                    del records[tp]  # it goes on from elsewhere now
            for tp, batch in since.items():
                if (before := records.get(tp)) is not None:
                    await self._check_goes_on(consumer, tp, before[-1].offset + 1, batch[0].offset)
                records[tp] = [*(before or ()), *batch]
        self._fetched_at = time.monotonic()
        return records

    def _whole(
        self, offset_gaps: OffsetGaps, records: Mapping[TP, Any], starts: Mapping[TP, int | None]
    ) -> dict[TP, Any]:
        """What was fetched, up to the first hole of each partition; partitions that begin with one are left out."""
        whole = {}
        for tp, batch in records.items():
            start = starts.get(tp)
            if batch := batch if start is None else offset_gaps.contiguous(tp, start, batch):
                whole[tp] = batch
        return whole

    def _start(self, tp: TP, state: Any, begin: int | None) -> int | None:
        """Where a fetch that is over began to read: at `begin`, unless it was sought elsewhere since. Assigned anew
        since, a partition begins where the group's offset stands: None."""
        now = self._state(tp)
        sought_in, offset = self._sought.get(tp, (None, None))
        if now is not None and now is sought_in:
            return offset
        return begin if now is state else None

    def begin_now(self, tp: TP) -> int | None:
        """Where the next list begins: at the position, or before the markers that were passed on the way there."""
        position = self.position_now(tp)
        start, after = self._passed.get(tp, (position, position))
        return start if after == position else position  # else it was sought elsewhere since

    async def _check_goes_on(self, consumer: Any, tp: TP, start: int, first: int) -> None:
        """Where the record at `first` comes after all before `start`. Gaps are markers and aborted records; but where
        the log now begins after `start`, records were lost."""
        if first < start and tp.topic in self.app.settings.topics_read:
            raise WorkerFailure(
                f"{tp.topic}-{tp.partition}: the log goes back from {start} to {first}: its end was lost, or it "
                "was created again. Started again, the worker says how to go on."
            )
        if first - start > GAP_OF_A_MARKER and (earliest := (await consumer.beginning_offsets([tp]))[tp]) > start:
            raise WorkerFailure(
                f"{tp.topic}-{tp.partition}: retention deleted the records {start} to {earliest - 1} before they were "
                f"read. Give the topic a longer retention; started again, the worker says how to go on."
            )

    def position_now(self, tp: TopicPartition) -> int | None:
        """Offset of the next record to fetch, None while it is unknown."""
        state = self._state(tp)
        return int(state.position) if state is not None and state.has_valid_position else None

    def end_now(self, tp: TopicPartition) -> int:
        """The partition's end as the last fetch told it, 0 before the first."""
        state = self._state(tp)
        return (state.highwater or 0) if state is not None else 0

    def _state(self, tp: TopicPartition) -> Any:
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        return assignment.state_value(TopicPartition(*tp)) if assignment is not None else None

    async def _highwaters(self, partitions: Iterable[TP]) -> Mapping[TP, int]:
        """Where reading may stop: the end of what is committed."""
        consumer = self._ensure_consumer()
        limit = time.monotonic() + self.app.conf.broker_request_timeout / 2
        if self.app.settings.checkpoint_mode == "transaction":
            return await self._ends_of_transactions(consumer, partitions, limit)
        ends: dict[TP, int] = await consumer.end_offsets(partitions)
        # The embedded broker answers with the base offset of the last batch + 1; only a fetch tells the true end.
        while any(consumer.highwater(tp) is None for tp in partitions):
            if time.monotonic() > limit:
                missing = sorted(tp for tp in partitions if consumer.highwater(tp) is None)
                raise WorkerFailure(f"The broker did not tell the end of {missing[0]} and {len(missing) - 1} others.")
            await asyncio.sleep(HIGHWATER_POLL_S)
        return {tp: max(ends[tp], consumer.highwater(tp)) for tp in partitions}

    async def _ends_of_transactions(self, consumer: Any, partitions: Iterable[TP], limit: float) -> Mapping[TP, int]:
        """What is committed ends before a transaction whose marker is not written yet, though its commit is answered:
        so after our own last checkpoint, in a rebalance, for a moment."""
        while True:
            ends: dict[TP, int] = await consumer.end_offsets(partitions)
            written = {tp: self.app.written_to(tp) for tp in ends}
            short = sorted(tp for tp, end in ends.items() if end < written[tp])
            if not short:
                return ends
            if time.monotonic() > limit:
                raise WorkerFailure(
                    f"{short[0].topic}-{short[0].partition} ends at {ends[short[0]]}, but this worker's checkpoints go "
                    f"to {written[short[0]]}: a transaction does not end, or the topic was cut off. Start the worker "
                    "again: it reads what there is."
                )
            await asyncio.sleep(HIGHWATER_POLL_S)

    async def committed_or_earliest(self, partitions: Sequence[TP]) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()

        async def ask() -> dict[TP, int]:
            committed = {tp: await consumer.committed(TopicPartition(*tp)) for tp in partitions}
            new = [tp for tp, offset in committed.items() if offset is None]
            earliest = await consumer.beginning_offsets([TopicPartition(*tp) for tp in new]) if new else {}
            before = self.app.cluster.labels_read
            return {
                tp: before.get(tp.partition, earliest[tp]) if offset is None else offset
                for tp, offset in committed.items()
            }

        offsets: dict[TP, int] = await self.call_thread(ask)
        return offsets

    async def extents(self, partitions: Sequence[TP]) -> dict[TP, tuple[int, int]]:
        """Where the logs of partitions begin, and where what is committed of them ends, now."""

        async def ask() -> dict[TP, tuple[int, int]]:
            consumer = self._ensure_consumer()
            begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
            return {tp: (begins[tp], ends[tp]) for tp in partitions}

        return await self._at_once(ask())  # a fetch that waits in the queue for the assignment would wait for us

    async def ends(self, partitions: Sequence[TP]) -> dict[TP, int]:
        """The ends of partitions, as their leaders tell them now, and no less than the last fetch told."""

        async def ask() -> dict[TP, int]:
            ends: dict[TP, int] = await self._ensure_consumer().end_offsets(partitions)
            return {tp: max(end, self.end_now(tp)) for tp, end in ends.items()}

        return await self._at_once(ask())  # what waits in the queue for an absent broker must not hold this up

    async def commit_to_group(self, offsets: Mapping[TP, int]) -> None:
        """Commit to the group, one commit at a time. Where its coordinator is away, aiokafka tries on, also when the
        caller waits no longer: cancelled in its midst, a commit leaves the membership of the group in pieces."""

        async def committed() -> None:
            async with self._commits:
                places = {TopicPartition(*tp): offset for tp, offset in offsets.items()}
                under_way = asyncio.ensure_future(self._ensure_consumer().commit(places))
                under_way.add_done_callback(lambda done: done.cancelled() or done.exception())  # so it counts as heard
                try:
                    await asyncio.shield(under_way)
                except asyncio.CancelledError:
                    await asyncio.wait({under_way})
                    raise

        await self._at_once(committed())

    async def _at_once(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in this thread, past the queue of `call_thread`, whose few workers fetching needs."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread_loop))

    async def seek_all(self, offsets: Mapping[TP, int]) -> None:
        """Fetch on from these offsets; what was fetched from elsewhere is dropped."""
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
