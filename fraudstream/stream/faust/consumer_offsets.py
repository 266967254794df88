"""What a stage asks its consumer thread: where it has read to, where logs begin and end, and commits to the group."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust.app import StreamApp

FAUST_LOG = logging.getLogger("faust.transport.batches")  # else mode logs under our logger
HIGHWATER_POLL_S = 0.02

T = TypeVar("T")


class ConsumerOffsets(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with the offsets that `ConsumerThread` and its callers need. Methods named `…_now` answer
    from memory; the others ask a broker."""

    logger = FAUST_LOG

    app: StreamApp

    def __post_init__(self) -> None:
        """Called by Faust at the end of the construction."""
        super().__post_init__()
        self._commits = asyncio.Lock()  # one commit at a time

    def position_now(self, tp: TopicPartition) -> int | None:
        """Offset of the next record to fetch, None while it is unknown."""
        state = self._state(tp)
        return int(state.position) if state is not None and state.has_valid_position else None

    def end_now(self, tp: TopicPartition) -> int:
        """The end of the partition's stable records as the last fetch reported it, 0 before the first."""
        state = self._state(tp)
        if state is None:
            return 0
        stable = state.lso if self.app.settings.checkpoint_mode == "transaction" else None
        return int(stable) if stable is not None and stable >= 0 else (state.highwater or 0)

    def high_watermark_now(self, tp: TopicPartition) -> int:
        """The end of the partition's records, stable or not, from the same fetch."""
        state = self._state(tp)
        return (state.highwater or 0) if state is not None else 0

    def _state(self, tp: TopicPartition) -> Any:
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        return assignment.state_value(TopicPartition(*tp)) if assignment is not None else None

    async def _highwaters(self, partitions: Iterable[TP]) -> Mapping[TP, int]:
        """Where reading may stop: the end of the committed records."""
        consumer = self._ensure_consumer()
        limit = time.monotonic() + self.app.conf.broker_request_timeout / 2
        if self.app.settings.checkpoint_mode == "transaction":
            return await self._ends_of_transactions(consumer, partitions, limit)
        ends: dict[TP, int] = await consumer.end_offsets(partitions)
        # Some brokers answer with an end that is too low; a fetch shows the true one.
        while any(consumer.highwater(tp) is None for tp in partitions):
            if time.monotonic() > limit:
                missing = sorted(tp for tp in partitions if consumer.highwater(tp) is None)
                raise WorkerFailure(f"The broker did not report the end of {missing[0]} and {len(missing) - 1} others.")
            await asyncio.sleep(HIGHWATER_POLL_S)
        return {tp: max(ends[tp], consumer.highwater(tp)) for tp in partitions}

    async def _ends_of_transactions(self, consumer: Any, partitions: Iterable[TP], limit: float) -> Mapping[TP, int]:
        """Wait until the ends include this worker's own checkpoints: the marker of a transaction may be written a
        moment after its commit was answered. Raises `WorkerFailure` at `limit` (`time.monotonic`)."""
        while True:
            ends: dict[TP, int] = await consumer.end_offsets(partitions)
            written = {tp: self.app.written_to(tp) for tp in ends}
            short = sorted(tp for tp, end in ends.items() if end < written[tp])
            if not short:
                return ends
            if time.monotonic() > limit:
                raise WorkerFailure(
                    f"{short[0].topic}-{short[0].partition} ends at {ends[short[0]]}, but this worker's checkpoints go "
                    f"to {written[short[0]]}: a transaction is still open, or the topic was truncated. Start "
                    "the worker again: it reads the records that exist."
                )
            await asyncio.sleep(HIGHWATER_POLL_S)

    async def committed_or_earliest(self, partitions: Sequence[TP]) -> Mapping[TP, int]:
        """The group's committed offset of each partition of the labels topic; without one that of the state version
        before, else the earliest offset."""
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
        """First offset and committed end offset of each partition, now."""

        async def ask() -> dict[TP, tuple[int, int]]:
            consumer = self._ensure_consumer()
            begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
            return {tp: (begins[tp], ends[tp]) for tp in partitions}

        return await self._at_once(ask())  # a fetch in the queue waits for the assignment, which waits for this

    async def begins_at_ms(self, tp: TP) -> int | None:
        """When the first record of the partition was published, ms since the epoch; None if brokers do not tell."""

        async def ask() -> int | None:
            found = (await self._ensure_consumer().offsets_for_times({TopicPartition(*tp): 0}))[TopicPartition(*tp)]
            return None if found is None or found.timestamp < 0 else int(found.timestamp)

        try:
            return await self._at_once(ask())
        except BROKER_ERRORS:  # the time is for messages only
            return None

    async def ends(self, partitions: Sequence[TP]) -> dict[TP, int]:
        """The end of each partition, as its leader reports it now, and no less than the last fetch reported."""

        async def ask() -> dict[TP, int]:
            ends: dict[TP, int] = await self._ensure_consumer().end_offsets(partitions)
            return {tp: max(end, self.end_now(tp)) for tp, end in ends.items()}

        return await self._at_once(ask())  # the queue may wait for a broker that does not answer

    async def commit_to_group(self, offsets: Mapping[TP, int]) -> None:
        """Commit to the group, one commit at a time.

        While its coordinator is away aiokafka retries, also when the caller does not wait any longer: cancelling a
        commit mid-flight corrupts the group membership.
        """

        async def committed() -> None:
            async with self._commits:
                committed_offsets = {TopicPartition(*tp): offset for tp, offset in offsets.items()}
                committing = asyncio.ensure_future(self._ensure_consumer().commit(committed_offsets))
                committing.add_done_callback(
                    lambda done: done.cancelled() or done.exception()
                )  # retrieved, else asyncio logs it
                try:
                    await asyncio.shield(committing)
                except asyncio.CancelledError:
                    await asyncio.wait({committing})
                    raise

        await self._at_once(committed())

    async def _at_once(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in this thread without the queue of `call_thread`, whose few workers fetching needs."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread_loop))
