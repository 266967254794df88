"""Writes payments and dead letters of a source partition, and the position after them.

- `TransactionWriter` (Apache Kafka): all in one Kafka transaction. Each source partition has its own transactional id,
  so a new owner fences the one before: what that had begun is aborted, and it can write no more.
- `PlainWriter` (a broker without transactions, such as the embedded one): first the records, then the position. After a
  crash in between they are written again, and the workers know the payments by their event_id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from fraudstream.bridge.settings import BridgeSettings
from fraudstream.kafka.closing import close
from fraudstream.kafka.compression import compression_type
from fraudstream.operations.record_partitioner import record_partitioner

# An open transaction holds back all readers of payments: a dead bridge's is aborted after so long.
TRANSACTION_TIMEOUT_MS: Final = 10_000
WRITE_S_MAX: Final = 30.0
START_S_MAX: Final = 30.0
RECORD_BYTES_MAX: Final = 1_000_000


class OutputRecord(NamedTuple):
    """A record to write; its key gives its partition."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Writer(Protocol):
    """Writes for the partitions that it has acquired. Its methods raise `TimeoutError` and aiokafka's errors; after one
    it is unknown what is durable, and the bridge must end."""

    async def acquire(self, partition: int) -> None:
        """Become the only writer for a source partition; to be called before its position is read."""

    async def write(self, partition: int, records: Sequence[OutputRecord], next_offset: int) -> None:
        """Write records and the position after them."""

    async def release(self, partition: int) -> None:
        """Stop writing for a source partition."""

    async def stop(self) -> None:
        """Close all producers. Bounded in time."""


class TransactionWriter:
    """Records and position in one transaction."""

    def __init__(self, settings: BridgeSettings) -> None:
        self._settings = settings
        self._producers: dict[int, AIOKafkaProducer] = {}

    async def acquire(self, partition: int) -> None:
        """As `Writer.acquire`."""
        await self.release(partition)
        settings = self._settings
        producer = AIOKafkaProducer(
            **_options(settings),
            transactional_id=f"{settings.group}-{settings.source_topic}-{partition}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        )
        self._producers[partition] = producer  # before it starts, so that it is closed in any case
        await asyncio.wait_for(producer.start(), START_S_MAX)

    async def write(self, partition: int, records: Sequence[OutputRecord], next_offset: int) -> None:
        """As `Writer.write`."""
        # After a failure nothing is aborted: that would wait for the brokers, and the next owner's `acquire` does it.
        await asyncio.wait_for(self._write(partition, records, next_offset), WRITE_S_MAX)

    async def _write(self, partition: int, records: Sequence[OutputRecord], next_offset: int) -> None:
        settings, producer = self._settings, self._producers[partition]
        await producer.begin_transaction()
        await _send(producer, records)
        position = {TopicPartition(settings.source_topic, partition): next_offset}
        await producer.send_offsets_to_transaction(position, settings.group)
        await producer.commit_transaction()

    async def release(self, partition: int) -> None:
        """As `Writer.release`."""
        producer = self._producers.pop(partition, None)
        if producer is not None:
            await close(producer)

    async def stop(self) -> None:
        """As `Writer.stop`."""
        for partition in list(self._producers):
            await self.release(partition)


class PlainWriter:
    """Records, then the position."""

    def __init__(self, settings: BridgeSettings, consumer: AIOKafkaConsumer) -> None:
        """`consumer`: a member of the group, which commits the position."""
        self._settings, self._consumer = settings, consumer
        self._producer: AIOKafkaProducer | None = None

    async def acquire(self, partition: int) -> None:
        """As `Writer.acquire`; without fencing."""
        if self._producer is None:
            self._producer = AIOKafkaProducer(**_options(self._settings), acks="all")
            await asyncio.wait_for(self._producer.start(), START_S_MAX)

    async def write(self, partition: int, records: Sequence[OutputRecord], next_offset: int) -> None:
        """As `Writer.write`."""
        assert self._producer is not None, "write after acquire"
        await asyncio.wait_for(_send(self._producer, records), WRITE_S_MAX)
        position = {TopicPartition(self._settings.source_topic, partition): next_offset}
        await asyncio.wait_for(self._consumer.commit(position), WRITE_S_MAX)

    async def release(self, partition: int) -> None:
        """As `Writer.release`."""

    async def stop(self) -> None:
        """As `Writer.stop`."""
        if self._producer is not None:
            await close(self._producer)


def _options(settings: BridgeSettings) -> dict[str, Any]:
    return {
        **settings.brokers.options(),
        "client_id": settings.group,
        "compression_type": compression_type(settings.codec),
        "partitioner": record_partitioner(settings.partitioner),
        "max_request_size": RECORD_BYTES_MAX,
        "max_batch_size": RECORD_BYTES_MAX // 2,
    }


async def _send(producer: AIOKafkaProducer, records: Sequence[OutputRecord]) -> None:
    """Send records in order, and wait until all are acknowledged."""
    sent = [
        await producer.send(record.topic, record.value, key=record.key, headers=list(record.headers))
        for record in records
    ]
    for acknowledged in sent:
        await acknowledged
