"""The topic `audit` on a cluster: written by an `AuditTopicSink`, read by `AuditTopic`, forwards or from its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from fraudstream.audit.chain import HEADS_WITHIN, heads_of
from fraudstream.audit.source import StoredRecord, UnreadableAuditError
from fraudstream.contracts.audit_record import ChainHead
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.compression import DEFAULT_CODEC, compression_type
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.topic_reader import NoTopicError, OffsetRange, TopicReader

PARTITION: Final = 0  # the only one that is used: the log has one order
CHUNK_RECORDS: Final = 2_000
ANSWER_S_MAX: Final = 4.0


class AuditTopic:
    """Reads the topic. Methods raise `NoTopicError`, `StalledError` and aiokafka's errors."""

    def __init__(self, brokers: Brokers, name: str) -> None:
        self.name = name
        self._brokers = brokers

    async def extent(self) -> OffsetRange:
        """The offsets that it has now."""
        async with self._reader() as reader:
            return await self._extent(reader)

    async def forward(self) -> AsyncIterator[StoredRecord]:
        """Every record that it has now, the oldest first."""
        async with self._reader() as reader:
            begin, end = await self._extent(reader)
            async for records in reader.forward(self.name, PARTITION, begin, end, chunk_records=CHUNK_RECORDS):
                for record in records:
                    yield StoredRecord(record.offset, record.value or b"")

    async def newest(
        self, wanted: Callable[[bytes], bool], limit: int, before: int | None, look_at_max: int
    ) -> tuple[list[StoredRecord], int | None]:
        """The newest `limit` records before the offset `before` (None: the end) that are `wanted`, the newest first;
        and the offset to go on before, None if none is older. Looks at about `look_at_max` records at most."""
        found: list[StoredRecord] = []
        async with self._reader() as reader:
            begin, end = await self._extent(reader)
            end = end if before is None else min(end, before)
            lowest = max(begin, end - look_at_max)
            while end > lowest and len(found) < limit:
                start = max(lowest, end - CHUNK_RECORDS)
                found += [each for each in reversed(await self._span(reader, start, end)) if wanted(each.value)]
                end = start
        if len(found) > limit:
            return found[:limit], found[limit - 1].offset
        return found, end if end > begin else None

    async def heads(self) -> Sequence[ChainHead]:
        """The heads of the chains in the last `HEADS_WITHIN` records."""
        async with self._reader() as reader:
            begin, end = await self._extent(reader)
            records = await self._span(reader, max(begin, end - HEADS_WITHIN), end)
            return heads_of(record.value for record in records)

    def _reader(self) -> TopicReader:
        return TopicReader(self._brokers, committed_only=False, client_id="fraudstream-audit-reader")

    async def _extent(self, reader: TopicReader) -> OffsetRange:
        if PARTITION not in await reader.partitions(self.name):
            raise NoTopicError(self.name)
        return await reader.extent(self.name, PARTITION)

    async def _span(self, reader: TopicReader, begin: int, end: int) -> list[StoredRecord]:
        return [
            StoredRecord(record.offset, record.value or b"")
            async for records in reader.forward(self.name, PARTITION, begin, end)
            for record in records
        ]


class AuditTopicSink:
    """An `AuditSink` on a topic. Its producer is opened at the first write, and again after each failure.

    `idempotent`: the brokers have idempotent producers.
    """

    def __init__(self, brokers: Brokers, name: str, *, idempotent: bool) -> None:
        self._brokers, self._name, self._idempotent = brokers, name, idempotent
        self._producer: AIOKafkaProducer | None = None

    async def heads(self) -> Sequence[ChainHead]:
        """The heads of the chains near the end of the topic. Raises `OSError` if there is no such topic."""
        try:
            return await AuditTopic(self._brokers, self._name).heads()
        except NoTopicError as error:
            raise OSError(f"{error}: fraudstream topics apply") from error

    async def write(self, values: Sequence[bytes]) -> None:
        """Append records, in order; returns once they are durable."""
        try:
            producer = await self._opened()
            sent = [await producer.send(self._name, value, partition=PARTITION) for value in values]
            await asyncio.wait_for(asyncio.gather(*sent), ANSWER_S_MAX)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer)

    async def _opened(self) -> AIOKafkaProducer:
        if self._producer is None:
            if PARTITION not in await partitions_of(self._brokers, self._name):
                raise OSError(f"there is no topic '{self._name}'")
            producer = AIOKafkaProducer(
                **self._brokers.options(),
                acks="all",
                enable_idempotence=self._idempotent,
                request_timeout_ms=round(ANSWER_S_MAX * 1000),
                compression_type=compression_type(DEFAULT_CODEC),
            )
            try:
                await producer.start()
            except BaseException:
                await close(producer)
                raise
            self._producer = producer
        return self._producer


class ReadableAuditTopic:
    """An `AuditSource` on the topic: its errors are one."""

    def __init__(self, topic: AuditTopic) -> None:
        self._topic = topic

    async def forward(self) -> AsyncIterator[StoredRecord]:
        """See `AuditSource`."""
        with _readable():
            async for record in self._topic.forward():
                yield record

    async def newest(
        self, wanted: Callable[[bytes], bool], limit: int, before: int | None, look_at_max: int
    ) -> tuple[list[StoredRecord], int | None]:
        """See `AuditSource`."""
        with _readable():
            return await self._topic.newest(wanted, limit, before, look_at_max)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (NoTopicError, KafkaError, OSError) as error:
        raise UnreadableAuditError(kafka_error_text(error)) from error
