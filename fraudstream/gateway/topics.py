"""The two topics of a gateway on a Kafka cluster: it writes payments, and reads its partition of the replies.

The partition is assigned by the gateway's name, without a consumer group: no rebalance moves it, and a gateway that has
restarted reads its answers of the last minutes again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from fraudstream.contracts.headers import CORRELATION_HEADER
from fraudstream.gateway.settings import GatewaySettings, reply_partition
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.compression import DEFAULT_CODEC
from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.kafka.outage_logger import OutageLogger
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.record_batch.ready_batch import ready_batch
from fraudstream.kafka.record_batch.writer import WrittenRecords
from fraudstream.kafka.topic_reader import NoTopicError

RETRY_S: Final = 0.5
POLL_MS: Final = 1_000
FETCH_WAIT_MS: Final = 500  # a broker answers as soon as there is a reply
RECORDS_MAX: Final = 5_000
COMPRESSED_BYTES_MIN: Final = 4_096  # a smaller batch gains little
REQUEST_S_MAX: Final = 10  # no caller waits longer

log = logging.getLogger(__name__)

OnReply = Callable[[bytes, bytes], None]  # correlation id and value


class ObservesBrokers(Protocol):
    """What is reported about brokers."""

    def on_brokers(self, *, answer: bool) -> None:
        """Whether the brokers answer."""


class KafkaPayments:
    """`PaymentsTopic` on a cluster. An asynchronous context manager; entering it raises one of `BROKER_ERRORS`."""

    def __init__(self, brokers: Brokers, topic: str, observer: ObservesBrokers) -> None:
        self._topic, self._observer = topic, observer
        self._producer = AIOKafkaProducer(
            **brokers.options(),
            client_id="fraudstream-gateway",
            acks="all",
            request_timeout_ms=REQUEST_S_MAX * 1000,
        )

    async def __aenter__(self) -> KafkaPayments:
        try:
            await self._producer.start()
        except BaseException:
            await close(self._producer)
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await close(self._producer)

    async def partitions(self) -> int:
        """See `PaymentsTopic.partitions`."""
        try:
            return len(await self._producer.partitions_for(self._topic))
        except BROKER_ERRORS:
            self._observer.on_brokers(answer=False)
            raise

    async def send_batch(self, batch: WrittenRecords, partition: int) -> None:
        """See `PaymentsTopic.send_batch`."""
        ready = await ready_batch(batch, DEFAULT_CODEC if batch.end >= COMPRESSED_BYTES_MIN else "none")
        try:
            await (await self._producer.send_batch(ready, self._topic, partition=partition))
        except BROKER_ERRORS:
            self._observer.on_brokers(answer=False)
            raise
        self._observer.on_brokers(answer=True)


class ReplyReader:
    """Reads the gateway's partition of the replies: those of the last `kept_s` seconds, then each as it comes."""

    def __init__(self, settings: GatewaySettings, on_reply: OnReply) -> None:
        self._settings, self._on_reply = settings, on_reply
        self.partition, self._end = -1, 0
        self._caught_up = asyncio.Event()

    @property
    def caught_up(self) -> bool:
        """Whether the replies of before its start are read."""
        return self._caught_up.is_set()

    async def wait_caught_up(self) -> None:
        """Wait until the replies of before the start are read."""
        await self._caught_up.wait()

    async def find_partition(self) -> int:
        """The partition, which is kept. Raises `NoTopicError`, one of `BROKER_ERRORS`."""
        topic = self._settings.replies_topic
        found = await partitions_of(self._settings.brokers, topic)
        if not found:
            raise NoTopicError(topic)
        self.partition = found[reply_partition(self._settings.instance, len(found))]
        return self.partition

    async def run(self) -> None:
        """Read until cancelled. While no broker answers it tries again."""
        outage = OutageLogger(self._settings.brokers, log, consequence=": retrying", at_once=True)
        position: int | None = None
        while True:
            consumer = self._consumer()
            try:
                await consumer.start()
                position = await self._begin(consumer, position)
                while True:
                    position = await self._read(consumer)
                    outage.recovered()
            except BROKER_ERRORS as error:
                outage.failed(error)
            finally:
                await close(consumer)
            await asyncio.sleep(RETRY_S)

    @property
    def _tp(self) -> TopicPartition:
        return TopicPartition(self._settings.replies_topic, self.partition)

    def _consumer(self) -> Any:
        return AIOKafkaConsumer(
            **self._settings.brokers.options(),
            client_id="fraudstream-gateway",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )

    async def _begin(self, consumer: Any, position: int | None) -> int:
        """Where reading begins. `position`: where it ended before an outage."""
        consumer.assign([self._tp])
        if position is None:
            since_ms = int(time.time() * 1000) - self._settings.kept_s * 1000
            found = (await consumer.offsets_for_times({self._tp: since_ms}))[self._tp]
            end = int((await consumer.end_offsets([self._tp]))[self._tp])
            position = end if found is None else int(found.offset)
            if position >= end:
                self._caught_up.set()
            self._end = end
        consumer.seek(self._tp, position)
        return position

    async def _read(self, consumer: Any) -> int:
        """Pass on the next records; returns the position after them."""
        fetched = await consumer.getmany(self._tp, timeout_ms=POLL_MS, max_records=RECORDS_MAX)
        for record in fetched.get(self._tp, ()):
            for name, value in record.headers:
                if name == CORRELATION_HEADER and record.value is not None:
                    self._on_reply(value, record.value)
        position = int(await consumer.position(self._tp))
        if not self.caught_up and position >= self._end:
            self._caught_up.set()
        return position
