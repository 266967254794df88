"""The two `ChangelogWriter`s on aiokafka's producer, and the port that makes them. See `checkpoints.fencing`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from fraudstream.kafka.closing import close
from fraudstream.stream.checkpoints.changelog import EPOCH_HEADER, EPOCH_KEY, Change
from fraudstream.stream.checkpoints.fencing import (
    BATCH_BYTES_MAX,
    COMPRESSION,
    FENCE_S_MAX,
    TRANSACTION_TIMEOUT_MS,
    WRITE_S_MAX,
)
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.ports import ChangelogWriter
from fraudstream.stream.settings import StreamSettings


class TransactionWriter:
    """Mode `transaction`: one transaction is one checkpoint."""

    def __init__(self, settings: StreamSettings, partition: int) -> None:
        """`partition`: of the changelog; with the app's id it makes up the transactional id."""
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
        """Fence the previous owner of the transactional id. Raises `WorkerFailure` after `FENCE_S_MAX`."""
        try:
            async with asyncio.timeout(FENCE_S_MAX):  # aiokafka retries without limit
                await self._producer.start()  # requests a producer id for the transactional id
        except TimeoutError:
            raise WorkerFailure(
                f"The brokers did not assign the transactional id '{self._transactional_id}' within "
                f"{FENCE_S_MAX:.0f} s, so the partition's previous owner may still write. Check the brokers' "
                "transaction coordinator (topic __transaction_state); after a restart the worker retries."
            ) from None

    async def write(self, records: Sequence[Change]) -> int:
        """Write `records` in one transaction; returns the offset of the last one."""
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
        """Stop the producer; a transaction that is still open is aborted by the next owner."""
        await close(self._producer)


class BatchWriter:
    """Mode `batch`: records carry the owner's epoch. All partitions share one plain producer. Each batch is
    acknowledged before the next is sent, so that a retry cannot reorder them."""

    def __init__(
        self, settings: StreamSettings, partition: int, producer: AIOKafkaProducer, mark: bytes = EPOCH_KEY
    ) -> None:
        """`producer`: started. `mark`: the key of the record that begins the epoch."""
        self._topic = settings.changelog_topic
        self._partition = partition
        self._producer = producer
        self._mark = mark
        self._epoch = b""
        self._next = 0  # offset after the last record up to which only this owner wrote

    async def fence(self, epoch: str) -> None:
        """Begin the epoch in the changelog: readers ignore what others write from there on."""
        self._epoch = epoch.encode()
        async with asyncio.timeout(WRITE_S_MAX):
            begun = await self._producer.send_and_wait(self._topic, self._epoch, self._mark, partition=self._partition)
        self._next = begun.offset + 1

    async def write(self, records: Sequence[Change]) -> int:
        """Write `records` in as few batches as they fit; they count once the last one, the checkpoint, is there."""
        async with asyncio.timeout(WRITE_S_MAX):
            for batch in _batches(self._producer, records, [(EPOCH_HEADER, self._epoch)]):
                written = await (await self._producer.send_batch(batch, self._topic, partition=self._partition))
                if written.offset == self._next:
                    self._next += batch.record_count()
        return self._next - 1

    async def close(self) -> None:
        """Do nothing: the producer is shared."""


def batch_producer(settings: StreamSettings) -> AIOKafkaProducer:
    """The producer that all `BatchWriter`s of a worker share, not started."""
    return AIOKafkaProducer(
        **settings.brokers.options(),
        client_id=f"{settings.app_id}-checkpoint",
        acks="all",
        max_batch_size=BATCH_BYTES_MAX,
        compression_type=COMPRESSION,
    )


class KafkaChangelogWriters:
    """The `ChangelogWriters` of a stage: of the kind that the checkpoint mode names."""

    def __init__(self, settings: StreamSettings) -> None:
        """Does not connect."""
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None  # of mode `batch`

    async def writer(self, partition: int) -> ChangelogWriter:
        """A writer that has not fenced the previous owner yet. Raises what aiokafka raises."""
        if self._settings.checkpoint_mode == "transaction":
            return TransactionWriter(self._settings, partition)
        if self._producer is None:
            producer = batch_producer(self._settings)
            await producer.start()
            self._producer = producer
        return BatchWriter(self._settings, partition, self._producer)

    async def close(self) -> None:
        """Stop the shared producer, if there is one. Bounded in time."""
        if self._producer is not None:
            await close(self._producer)


def _batches(
    producer: AIOKafkaProducer, records: Sequence[Change], headers: list[tuple[str, bytes]]
) -> Iterator[BatchBuilder]:
    """The records in their order, in as few batches as they fit; each is built when it is needed."""
    batch = producer.create_batch()
    for key, value in records:
        if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:  # None: the batch is full
            yield batch
            batch = producer.create_batch()
            appended = batch.append(timestamp=None, key=key, value=value, headers=headers)
            assert appended is not None, f"a changelog record of {len(key) + len(value)} bytes fits no batch"
    yield batch
