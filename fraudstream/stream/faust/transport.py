"""The transport that passes a partition's fetched records to an agent as one batch, and restores states from batches.

Faust moves one record at a time through several tasks; the records came from the broker as batches, and here they stay
batches: `BatchConsumer.getmany` yields one Faust message for all partitions of the input that a fetch has records of,
whose value has the `RecordBatch` of each, and one for each partition of other topics, whose value is its `RecordBatch`.
`BatchSchema` passes the value through undecoded. Everything else (agents, assignment, recovery) stays Faust's. Register
with `register_transport`, then use broker URLs of the scheme `batches://`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

from aiokafka.errors import ConsumerStoppedError
from faust.serializers.schemas import Schema
from faust.tables.manager import TableManager
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from fraudstream.engine.records import NO_RECORDS, Records
from fraudstream.kafka.linger import Linger
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust.app import StreamApp
from fraudstream.stream.faust.consumer_offsets import FAUST_LOG
from fraudstream.stream.faust.consumer_thread import ConsumerThread
from fraudstream.stream.record_batch import RecordBatch

SCHEME = "batches"
IDLE_S = 0.02
FETCH_S_MAX = 1.0
LINGER_S = 0.01  # between batches: see `kafka.linger`


class BatchSchema(Schema[Any, Any]):
    """Passes the batch through: the agent decodes all of it in one call."""

    def compile(self, app: Any, **kwargs: Any) -> Any:
        """The function that makes Faust's event of a message."""

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, [], message)

        return decode


class BatchConsumer(driver.Consumer):
    """Faust's consumer, in batches; positions come from our checkpoints."""

    logger = FAUST_LOG

    app: StreamApp
    _thread: ConsumerThread

    def __post_init__(self) -> None:
        """Called by Faust at the end of the construction."""
        super().__post_init__()
        self._linger = Linger(LINGER_S)
        self._taken = asyncio.Event()  # the input of the last fetch
        self._delivered: dict[TP, int] = {}  # offset after the last batch that an agent received

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Deliver what is fetched until stopped: all batches of a fetch at once, and fetch again when those of the
        input are taken, so that records that arrive meanwhile form one batch, not many.

        Faust delivers one message after the other, with several turns of the event loop for each.
        """
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._deliver_fetched()
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:  # else it is how fetching ends
                raise

    async def _deliver_fetched(self) -> None:
        """Fetch once, and deliver all batches of it."""
        await self._linger.wait()
        deliveries, topics_read = [], self.app.settings.topics_read
        async for tp, message in self.getmany(timeout=FETCH_S_MAX):
            read = None if tp.topic in topics_read else self._read_offset[tp]  # agents check positions themselves
            if read is None or message.offset >= read:
                deliveries.append((tp, message.offset, asyncio.ensure_future(self.callback(message))))
        if deliveries:
            self._linger.begin()
        self._taken.clear()
        await asyncio.sleep(0)  # enough, unless an agent's queue is full
        waiting = [delivery for _, _, delivery in deliveries if not delivery.done()]
        if waiting:
            await self.wait_first(asyncio.wait(waiting), self.suspend_flow.wait())
        for tp, offset, delivery in deliveries:
            if delivery.done():
                delivery.result()
            else:
                delivery.cancel()  # a rebalance began
            self._read_offset[tp] = offset
        if any(tp.topic == self.app.settings.input_topic for tp, _, _ in deliveries):  # limited: Faust may drop a batch
            await self.wait_first(self._taken.wait(), self.suspend_flow.wait(), timeout=FETCH_S_MAX)

    def on_taken(self) -> None:
        """The agent begins with the last batch of the input that it was given."""
        self._taken.set()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109
        """One message for all partitions of the input, under the first of them, and one for each other partition.
        `timeout`: seconds to wait for records."""
        if self.flow_active and not self._get_active_partitions():  # Faust would check again only after a second
            self._thread.note_poll()
            await self.sleep(IDLE_S)
            return
        try:
            fetched, active = await self._wait_next_records(timeout)
        except WorkerFailure as error:  # fail first, as Faust's own crash handling takes long
            self.app.fail(error)
            raise
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:  # a rebalance began: what was fetched is dropped; recovery seeks at its end
            return
        generation, bounds = self.app.consumer_generation_id, self._thread.bounds
        records, inputs = cast(Mapping[TP, Records], fetched), dict[TP, RecordBatch]()
        for tp, batch in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is None or tp in active or tp in self._buffered_partitions:
                first, following = bounds[tp]
                record_batch = RecordBatch(batch, first, following, self._thread.end_now(tp))
                self._delivered[TP(*tp)] = following
                if tp.topic == self.app.settings.input_topic:
                    inputs[TP(*tp)] = record_batch
                else:
                    yield tp, self._message(TP(*tp), record_batch, batch.last_offset)
        if inputs:
            tp = next(iter(inputs))
            yield (
                tp,
                self._message(tp, {each.partition: inputs[each] for each in inputs}, inputs[tp].records.last_offset),
            )
        for tp, high in self._ends_without_record(records):
            end = high + 1
            begin = bounds[tp][1] if tp in records else self._thread.begin_now(tp)
            begin = end if begin is None else min(begin, end)
            yield tp, self._message(tp, RecordBatch(NO_RECORDS, begin, end, end), high)

    def _ends_without_record(self, records: Mapping[TP, Records]) -> list[tuple[TP, int]]:
        """Changelogs read to their end, where the end is a control record: it is never delivered, so recovery would
        never end."""
        recovery = cast(TableManager, self.app.tables).recovery
        ended = []
        for tp in recovery.active_tps if recovery.in_recovery else ():
            high, position = recovery.active_highwaters.get(tp), self._thread.position_now(tp)
            if (
                high is not None
                and position is not None
                and position > high
                and (tp not in records or records[tp].last_offset < high)
                and (-1 if recovery.active_offsets[tp] is None else recovery.active_offsets[tp]) < high
            ):
                ended.append((tp, high))
        return ended

    def _message(self, tp: TP, fetched: RecordBatch | Mapping[int, RecordBatch], offset: int) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            offset,
            time.time(),
            0,
            [],
            None,
            cast(Any, fetched),
            None,
            None,
            None,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek the input to the positions of its states, and labels to the group's committed offsets, else to those of
        the state version before it, else to their beginning.

        Faust calls it when the changelogs are read, and then resumes the flow, which empties the agents' queues. What
        was fetched until then would be lost, unnoticed until the next batch: so the flow stops here.
        """
        self.stop_flow()
        assignment = self.assignment()
        labels = [tp for tp in assignment if tp.topic == self.app.settings.labels_topic]
        offsets = {**self.app.seek_offsets(assignment), **await self._thread.committed_or_earliest(labels)}
        self.app.resume_labels(offsets)
        await self._thread.seek_all(offsets)
        return offsets

    async def seek_partition(self, tp: TP, offset: int) -> None:
        """Continue fetching at `offset`, unless `tp` is no longer assigned."""
        await self._thread.seek_all({tp: offset})

    async def commit_group_offsets(self, offsets: Mapping[TP, int]) -> None:
        """Commit offsets. Those of the input serve lag dashboards only, those of labels the next owner. Raises what
        aiokafka raises."""
        await self._thread.commit_to_group(offsets)

    @property
    def knows_brokers(self) -> bool:
        """The consumer has started."""
        return self._thread._consumer is not None

    async def extents(self, partitions: Sequence[TP]) -> dict[TP, tuple[int, int]]:
        """First offset and committed end offset of each partition."""
        return await self._thread.extents(partitions) if partitions else {}

    async def begins_at_ms(self, tp: TP) -> int | None:
        """When the first record of the partition was published, ms since the epoch; None if brokers do not tell."""
        return await self._thread.begins_at_ms(tp)

    async def ends(self, partitions: Sequence[TP]) -> dict[TP, int]:
        """End offset of each partition, as its leader reports it now."""
        return await self._thread.ends(partitions)

    def end_now(self, tp: TP) -> int:
        """The end of the partition's stable records as the last fetch reported it, 0 before the first."""
        return self._thread.end_now(tp)

    def high_watermark_now(self, tp: TP) -> int:
        """The end of the partition's records, stable or not, from the same fetch."""
        return self._thread.high_watermark_now(tp)

    def behind(self, tp: TP, end: int, next_offset: int) -> int:
        """Records between `next_offset` and `end`; 0 if only markers are, which are read but never delivered."""
        position = self._thread.position_now(tp)
        if position is not None and position >= end and self._delivered.get(tp, 0) <= next_offset:
            return 0
        return max(0, end - next_offset)

    def check_group(self) -> None:
        """Raises what ended this consumer's membership of its group, if anything has; nothing else would notice."""
        consumer = self._thread._consumer
        if consumer is not None and consumer._coordinator is not None:  # it is created while the consumer starts
            consumer._coordinator.check_errors()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust compares a monotonic clock with record times here: its errors mean nothing."""

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: topics are created and checked before the app starts (see `topics.cluster`)."""


class BatchProducer(driver.Producer):
    """Faust's producer; idempotent where the broker supports it, so that no retry repeats or reorders a decision."""

    logger = FAUST_LOG

    app: StreamApp

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True} if self.app.settings.checkpoint_mode == "transaction" else {}

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: topics are created and checked before the app starts (see `topics.cluster`)."""


class BatchTransport(driver.Transport):
    """Faust's Kafka transport with our consumer and producer."""

    Consumer = BatchConsumer
    Producer = BatchProducer


def register_transport() -> None:
    """Make the transport known to Faust under `batches://`."""
    TRANSPORTS.aliases[SCHEME] = f"{__name__}:BatchTransport"
