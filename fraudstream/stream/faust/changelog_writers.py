"""The two `ChangelogWriter`s on aiokafka's producer, and the port that makes them. See `checkpoints.fencing`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from aiokafka import AIOKafkaProducer

from fraudstream.compiled.packed import repeated
from fraudstream.engine.packed_records import PackedRecords
from fraudstream.kafka.closing import close
from fraudstream.kafka.record_batch.outgoing import Headers, OutgoingRecords, header_section
from fraudstream.kafka.record_batch.ready_batch import ReadyBatch
from fraudstream.kafka.record_batch.writer import WrittenRecords, write_batches
from fraudstream.stream.checkpoints.changelog import EPOCH_HEADER, EPOCH_KEY
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

    async def write(self, records: Sequence[PackedRecords]) -> int:
        """Write `records` in one transaction; returns the offset of the last one."""
        async with asyncio.timeout(WRITE_S_MAX):
            await self._producer.begin_transaction()
            sends = []
            async for batch in _batches(records, [], transactional=True):
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

    async def write(self, records: Sequence[PackedRecords]) -> int:
        """Write `records` in as few batches as they fit; they count once the last one, the checkpoint, is there."""
        async with asyncio.timeout(WRITE_S_MAX):
            async for batch in _batches(records, [(EPOCH_HEADER, self._epoch)], transactional=False):
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


async def _batches(
    records: Sequence[PackedRecords], headers: Headers, *, transactional: bool
) -> AsyncIterator[ReadyBatch]:
    """The records in their order, in as few batches as they fit. Each is written and compressed when it is needed, in a
    thread, as neither needs the interpreter: the event loop goes on meanwhile, and no more than one batch waits."""
    timestamp_ms = int(time.time() * 1000)
    section = header_section(headers)
    outgoing = [OutgoingRecords(*part, repeated(section, part.n), timestamp_ms) for part in records]
    written = write_batches(outgoing, BATCH_BYTES_MAX)
    while (batch := await asyncio.to_thread(_next_ready, written, transactional)) is not None:
        yield batch


def _next_ready(written: Iterator[WrittenRecords], transactional: bool) -> ReadyBatch | None:
    records = next(written, None)
    return None if records is None else ReadyBatch(records, COMPRESSION, transactional)
