"""The bridge on Kafka: consumes a bank's topic, produces payments and dead letters. Each message takes effect once.

A step handles the messages of one partition that a fetch brought:
    1. they are converted (in a thread, so that heartbeats go on);
    2. payments, dead letters and the position after the messages are written in one transaction (`writers`).
    killed before the end of 2: the transaction is aborted, the step is repeated by the next owner.
    killed after: the next owner begins after the step.
On assignment the bridge first fences the partition's previous owner, then reads the position: no other order is safe,
as the previous owner may commit until it is fenced. Bridges with one `group` share the partitions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from fraudstream.bridge.conversion import ConvertedMessage, Message, MessageConverter
from fraudstream.bridge.failure import BridgeError, bridge_error
from fraudstream.bridge.message_traces import MessageTraces
from fraudstream.bridge.observer import Observer, Unobserved
from fraudstream.bridge.schema_registry import RegistryError
from fraudstream.bridge.settings import BridgeSettings
from fraudstream.bridge.writers import OutputRecord, PlainWriter, TransactionWriter, Writer
from fraudstream.contracts.dead_letter import dead_letter
from fraudstream.contracts.headers import source_header
from fraudstream.kafka.closing import close
from fraudstream.kafka.partitions import partitions_of
from fraudstream.tracing.ports import UNTRACED, Span, Tracer

POLL_MS: Final = 200
RECORDS_MAX: Final = 500
FETCH_BYTES_MAX: Final = 4 << 20
CLOSE_S_MAX: Final = 5.0
_WITHOUT_VALUE: Final = " The message is left out here, as it may hold a card number: it is in its topic."

log: Final = logging.getLogger(__name__)
_encode: Final = msgspec.json.Encoder().encode


class Bridge(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Reads `settings.source_topic` and writes what `converter` makes of it. `observer`: metrics. `tracer`: of messages
    whose traces are sampled."""

    def __init__(
        self,
        settings: BridgeSettings,
        converter: MessageConverter,
        observer: Observer | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._settings, self._converter = settings, converter
        self._traces = MessageTraces(tracer, settings.group)
        self._observer = observer or Unobserved()
        self._step = asyncio.Lock()  # held while messages are handled: a revocation waits for the end of the step
        self._assigned: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}  # of acquired partitions: the next offset to handle

    async def run(self, stopping: asyncio.Event, *, once: bool = False) -> None:
        """Until `stopping` is set; with `once`, until all is done that the topic holds at its start. Raises
        `BridgeError`."""
        settings = self._settings
        try:
            await self._check_topics()
            consumer = self._consumer = AIOKafkaConsumer(
                **settings.brokers.options(),
                client_id=settings.group,
                group_id=settings.group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed" if settings.transactional else "read_uncommitted",
                fetch_max_wait_ms=settings.fetch_wait_ms,
                max_partition_fetch_bytes=FETCH_BYTES_MAX,
                session_timeout_ms=round(settings.session_timeout_s * 1000),
                heartbeat_interval_ms=round(settings.session_timeout_s * 1000 / 5),
            )
            writer: Writer = TransactionWriter(settings) if settings.transactional else PlainWriter(settings, consumer)
            self._writer = writer
            consumer.subscribe([settings.source_topic], listener=self)
            try:
                await consumer.start()
                await self._follow(stopping, once)
            finally:
                await close(consumer, CLOSE_S_MAX)
                await writer.stop()
        except (KafkaError, OSError, TimeoutError, RegistryError, BridgeError) as error:
            raise bridge_error(error, settings.brokers) from error

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Remember them: they are acquired before the next fetch."""
        self._assigned = set(assigned)
        self._observer.on_assigned(len(self._assigned))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let go of all, once the step has ended."""
        async with self._step:
            self._assigned = set()
            for tp in list(self._positions):
                await self._writer.release(tp.partition)
            self._positions.clear()

    async def _check_topics(self) -> None:
        """Raises `BridgeError` for a missing topic, as a request for it might create it."""
        settings = self._settings
        for topic in (settings.source_topic, settings.payments_topic, settings.dead_letters_topic):
            if not await partitions_of(settings.brokers, topic):
                remedy = "Is the name right?" if topic == settings.source_topic else "Run `fraudstream topics apply`."
                raise BridgeError(
                    f"{settings.brokers} has no topic '{topic}', or permits you nothing on it. {remedy}", permanent=True
                )

    async def _follow(self, stopping: asyncio.Event, once: bool) -> None:
        ends = await self._ends() if once else {}
        while not stopping.is_set():
            await self._acquire()
            if once and await self._has_reached(ends):
                return
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
            for tp, records in fetched.items():
                async with self._step:
                    if tp in self._positions and not stopping.is_set():
                        await self._handle(tp, records)
            if once and not fetched:
                await self._skip_control_records()

    async def _acquire(self) -> None:
        """Become the owner of partitions that are newly assigned, and continue where the one before has ended."""
        async with self._step:
            for tp in sorted(self._assigned - self._positions.keys()):
                await self._writer.acquire(tp.partition)
                begin = (await self._consumer.beginning_offsets([tp]))[tp]
                committed = await self._consumer.committed(tp)
                if committed is not None and committed < begin:
                    missing = begin - committed
                    log.error("%s-%d: retention deleted %d messages unread", tp.topic, tp.partition, missing)
                    self._observer.on_missing(tp.partition, messages=missing)
                position = max(begin, committed or 0)
                self._consumer.seek(tp, position)
                self._positions[tp] = position
                log.info("%s-%d: reading from offset %d", tp.topic, tp.partition, position)

    async def _handle(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """One step."""
        began_s = time.monotonic()
        spans = self._traces.begin(tp, records)
        messages = [Message(record.value, record.timestamp) for record in records]
        converted = await asyncio.to_thread(self._converter.convert, messages)
        outgoing: list[OutputRecord] = []
        reasons: dict[int, str] = {}  # of refusals, by the offset of the message
        payments = excluded = 0
        for record, result in zip(records, converted, strict=True):
            outgoing += self._outgoing(tp, record, result, spans.get(record.offset))
            payments += len(result.payments)
            excluded += result.excluded
            if (refusal := result.refusal()) is not None:
                reasons[record.offset] = refusal.reason
        next_offset = records[-1].offset + 1
        await self._writer.write(tp.partition, outgoing, next_offset)
        for offset, span in spans.items():
            span.end(error=reasons.get(offset))
        self._positions[tp] = next_offset
        self._observer.on_step(
            tp.partition,
            messages=len(records),
            payments=payments,
            excluded=excluded,
            refused=Counter(reasons.values()),
            seconds=time.monotonic() - began_s,
        )
        self._observer.on_lag(tp.partition, lag=max((self._consumer.highwater(tp) or 0) - next_offset, 0))

    def _outgoing(
        self, tp: TopicPartition, record: ConsumerRecord[bytes, bytes], result: ConvertedMessage, span: Span | None
    ) -> list[OutputRecord]:
        """The payments of a message, and its dead letter if a part of it was refused. `span`: of the message."""
        settings = self._settings
        trace = () if span is None else span.context.headers()
        outgoing = [
            OutputRecord(settings.payments_topic, payment.account_id.encode(), _encode(payment), trace)
            for payment in result.payments
        ]
        refusal = result.refusal()
        if refusal is None:
            return outgoing
        sentence = refusal.sentence if settings.letter_values else refusal.sentence + _WITHOUT_VALUE
        letter = dead_letter(record, tp.topic, tp.partition, refusal.reason, sentence, refusal.path)
        if not settings.letter_values:
            letter = msgspec.structs.replace(letter, value=b"")
        header = source_header(tp.partition, record.offset)
        return [*outgoing, OutputRecord(settings.dead_letters_topic, letter.key, _encode(letter), (header,))]

    async def _ends(self) -> dict[TopicPartition, int]:
        """The ends of all partitions, now."""
        numbers = await partitions_of(self._settings.brokers, self._settings.source_topic)
        tps = [TopicPartition(self._settings.source_topic, number) for number in numbers]
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(tps)
        return ends

    async def _has_reached(self, ends: dict[TopicPartition, int]) -> bool:
        """Whether all partitions are done up to `ends`, those of other bridges by their commits: one that was killed
        keeps its partitions for a session timeout."""
        for tp, end in ends.items():
            position = self._positions.get(tp)
            if position is None:
                position = await self._consumer.committed(tp) or 0
            if position < end:
                return False
        return True

    async def _skip_control_records(self) -> None:
        """Count positions beyond records that are no messages: marks of transactions at the end of a partition."""
        for tp, position in list(self._positions.items()):
            self._positions[tp] = max(position, await self._consumer.position(tp))
