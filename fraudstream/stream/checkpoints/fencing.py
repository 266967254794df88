"""Who may write a partition's changelog, and how: the two ways to make a checkpoint one thing.

`TransactionWriter`, for Apache Kafka: a transactional id for each (app, partition). Its start fences the previous owner
and aborts what that one left open, which is why it comes before recovery reads the changelog. One transaction is one
checkpoint. `BatchWriter`, for the embedded broker, which has no sound transactions: one record batch is one checkpoint,
or several batches of which the last holds the checkpoint record; it begins a term of its own, and readers pass over
what a previous owner writes from there on (`changelog`). That one learns of it when it rejoins its group and reads on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from fraudstream.kafka.closing import close
from fraudstream.stream.checkpoints.changelog import EPOCH_HEADER, EPOCH_KEY, Change
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.settings import StreamSettings

BATCH_BYTES_MAX = 900_000  # below Kafka's default message.max.bytes of 1,048,588
WRITE_S_MAX = 30.0  # a checkpoint that takes longer has failed: the worker leaves
TRANSACTION_TIMEOUT_MS = 60_000  # the broker's own limit, should the worker die within a transaction
FENCE_S_MAX = 60.0
COMPRESSION = "zstd"  # aiokafka asks lz4 for its level 9, which takes nine times as long to save as much


class ChangelogWriter(Protocol):
    """Writes one partition's checkpoints.

    After `fence` nothing counts that a previous owner writes. `write` makes `records` one thing, the checkpoint record
    last. It returns the offset up to which nobody else wrote since: of that record, if so. What either raises is final.
    """

    async def fence(self, epoch: str) -> None: ...
    async def write(self, records: Sequence[Change]) -> int: ...
    async def close(self) -> None: ...


class TransactionWriter:
    def __init__(self, settings: StreamSettings, partition: int) -> None:
        self._topic = settings.changelog_topic
        self._partition = partition
        self._transactional_id = f"{settings.app_id}-{partition}"
        self._producer = AIOKafkaProducer(
            **settings.brokers.options(),
            client_id=f"{settings.app_id}-checkpoint-{partition}",
            transactional_id=self._transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            max_batch_size=BATCH_BYTES_MAX,
            compression_type=COMPRESSION,
        )

    async def fence(self, epoch: str) -> None:
        try:
            async with asyncio.timeout(FENCE_S_MAX):  # aiokafka asks on for ever
                await self._producer.start()  # asks for a producer id under the transactional id
        except TimeoutError:
            raise WorkerFailure(
                f"The brokers gave the transactional id '{self._transactional_id}' to nobody for {FENCE_S_MAX:.0f} s, "
                "so the partition's previous owner may still write. Look at the brokers' transaction coordinator "
                "(topic __transaction_state); started again, the worker asks again."
            ) from None

    async def write(self, records: Sequence[Change]) -> int:
        async with asyncio.timeout(WRITE_S_MAX):
            await self._producer.begin_transaction()
            sends = []
            for batch in _batches(self._producer, records, []):
                sends.append((await self._producer.send_batch(batch, self._topic, partition=self._partition), batch))
            acknowledged = [(await sent, batch.record_count()) for sent, batch in sends]
            await self._producer.commit_transaction()
        metadata, count = acknowledged[-1]
        last: int = metadata.offset + count - 1
        return last

    async def close(self) -> None:
        await close(self._producer)  # it wrote what it had to


class BatchWriter:
    """All partitions share one plain producer. Each batch is acknowledged before the next leaves: a retry can't reorder
    them. `mark`: under which key a term begins."""

    def __init__(
        self, settings: StreamSettings, partition: int, producer: AIOKafkaProducer, mark: bytes = EPOCH_KEY
    ) -> None:
        self._topic = settings.changelog_topic
        self._partition = partition
        self._producer = producer
        self._mark = mark
        self._epoch = b""
        self._next = 0  # behind what nobody else wrote into

    async def fence(self, epoch: str) -> None:
        self._epoch = epoch.encode()
        async with asyncio.timeout(WRITE_S_MAX):
            begun = await self._producer.send_and_wait(self._topic, self._epoch, self._mark, partition=self._partition)
        self._next = begun.offset + 1

    async def write(self, records: Sequence[Change]) -> int:
        async with asyncio.timeout(WRITE_S_MAX):
            for batch in _batches(self._producer, records, [(EPOCH_HEADER, self._epoch)]):
                written = await (await self._producer.send_batch(batch, self._topic, partition=self._partition))
                if written.offset == self._next:
                    self._next += batch.record_count()
        return self._next - 1

    async def close(self) -> None:
        """The producer is the worker's."""


def batch_producer(settings: StreamSettings) -> AIOKafkaProducer:
    """The producer that all `BatchWriter`s of a worker share, not started."""
    return AIOKafkaProducer(
        **settings.brokers.options(),
        client_id=f"{settings.app_id}-checkpoint",
        acks="all",
        max_batch_size=BATCH_BYTES_MAX,
        compression_type=COMPRESSION,
    )


def _batches(
    producer: AIOKafkaProducer, records: Sequence[Change], headers: list[tuple[str, bytes]]
) -> Iterator[BatchBuilder]:
    """The records in their order, in as few batches as they fit; the next is built when it is asked for."""
    batch = producer.create_batch()
    for key, value in records:
        if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:  # full: it says so only by this
            yield batch
            batch = producer.create_batch()
            appended = batch.append(timestamp=None, key=key, value=value, headers=headers)
            assert appended is not None, f"a changelog record of {len(key) + len(value)} bytes fits no batch"
    yield batch
