"""Copies the payments log into a topic with another number of partitions, each record to the partition of its key.

    payments-0      p1 p2 p3 label(p1) switch p4 …          one partition
    payments-48-k   p2 label(p1) …                          a key's records in their order

A log cannot be given partitions: its accounts would move away from their state. So a new state version is backfilled
from a copy of the log, and publishers change over to the copy (docs/scaling.md). Rule switches and list entries are not
copied: they are of the old log. Copies of misplaced records are copied as repeats, without their header: whether a
worker has written it is not known here, and a repeat gets its first verdict again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from aiokafka import AIOKafkaProducer, ConsumerRecord

from fraudstream.contracts.headers import CONTROL_HEADER, REPARTITIONED_HEADER
from fraudstream.engine.partitioners import Partitioner
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.compression import DEFAULT_CODEC, compression_type
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader
from fraudstream.operations.errors import MissingTopicError, OperationError
from fraudstream.operations.record_partitioner import record_partitioner

AT_END_S: Final = 0.5  # between two looks for further records
UNACKNOWLEDGED_MAX: Final = 5_000


class Copied(NamedTuple):
    """`records`: how many were copied. `offsets`: by partition of the log, the offset up to which it was read."""

    records: int
    offsets: dict[int, int]


class TopicNotEmptyError(OperationError):
    """The topic to copy to already holds records."""

    def __init__(self, topic: str, partition: int) -> None:
        super().__init__(
            f"{topic}-{partition} is not empty: payments would be in it twice, or after later ones. Delete the topic, "
            "run `fraudstream topics apply`, and copy again."
        )
        self.topic = topic
        self.partition = partition


class SameTopicError(OperationError):
    """A log cannot be copied into itself."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"'{topic}' cannot be copied into itself: name another topic.")
        self.topic = topic


async def copy_log(
    brokers: Brokers,
    log: str,
    copy: str,
    *,
    committed_only: bool,
    partitioner: Partitioner | Literal["any"],
    stop: asyncio.Event,
    at_end: Callable[[Copied], None] = lambda _: None,
) -> Copied:
    """Copy all records of `log` into the empty topic `copy`, and go on with those that follow until `stop` is set; it
    is looked at where the end was reached. `at_end`: called there, if anything was copied since the last call.

    `committed_only`: as in `TopicReader`. Raises `SameTopicError`, `MissingTopicError`, `TopicNotEmptyError`,
    `StalledError`, and what aiokafka raises.
    """
    if log == copy:
        raise SameTopicError(log)
    async with TopicReader(brokers, committed_only=committed_only) as reader:
        try:
            partitions, targets = await reader.partitions(log), await reader.partitions(copy)
        except NoTopicError as error:
            raise MissingTopicError(brokers.servers, error.topic) from error
        for number, extent in (await reader.extents(copy, targets, high_watermark=True)).items():
            if extent.end > 0:
                raise TopicNotEmptyError(copy, number)
        producer = AIOKafkaProducer(
            **brokers.options(),
            acks="all",
            compression_type=compression_type(DEFAULT_CODEC),
            partitioner=record_partitioner(partitioner),
        )
        try:
            await producer.start()
            return await _Copy(reader, producer, log, copy, partitions).run(stop, at_end)
        finally:
            await close(producer)


class _Copy:
    """One run. Invariant: what precedes `offsets` is copied and acknowledged, but for `_sent`."""

    def __init__(
        self, reader: TopicReader, producer: AIOKafkaProducer, log: str, copy: str, partitions: Sequence[int]
    ) -> None:
        self._reader, self._producer, self._log, self._copy = reader, producer, log, copy
        self._offsets: dict[int, int] = {}
        self._records = 0
        self._partitions = partitions
        self._sent: list[Awaitable[Any]] = []

    async def run(self, stop: asyncio.Event, at_end: Callable[[Copied], None]) -> Copied:
        reported = -1
        while True:
            for number in self._partitions:
                await self._copy_partition(number)
            await self._acknowledged()
            copied = Copied(self._records, dict(self._offsets))
            if self._records != reported:
                at_end(copied)
                reported = self._records
            if stop.is_set():
                return copied
            await asyncio.sleep(AT_END_S)

    async def _copy_partition(self, number: int) -> None:
        begin, end = await self._reader.extent(self._log, number)
        position = self._offsets.get(number, begin)
        async for records in self._reader.forward(self._log, number, position, end, contiguous=True):
            for record in filter(_is_copied, records):
                await self._send(record)
        self._offsets[number] = max(position, end)

    async def _send(self, record: ConsumerRecord[bytes, bytes]) -> None:
        headers = [header for header in record.headers if header[0] != REPARTITIONED_HEADER]
        sending = self._producer.send(self._copy, record.value, key=record.key, headers=headers)
        self._sent.append(await sending)
        self._records += 1
        if len(self._sent) >= UNACKNOWLEDGED_MAX:
            await self._acknowledged()

    async def _acknowledged(self) -> None:
        sent, self._sent = self._sent, []
        await asyncio.gather(*sent)


def _is_copied(record: ConsumerRecord[bytes, bytes]) -> bool:
    return CONTROL_HEADER not in record.headers
