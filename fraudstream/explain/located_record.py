"""Finds the record of a payment at its position in a log, and the extent of that log."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from aiokafka import ConsumerRecord

from fraudstream.explain.sent import LogPosition
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader

Record: TypeAlias = ConsumerRecord[bytes, bytes]


class GoneError(Exception):
    """The log no longer has the payment, or never had. `topic`, `position`: where it was expected."""

    def __init__(self, topic: str, position: LogPosition, sentence: str) -> None:
        super().__init__(sentence)
        self.topic, self.position = topic, position


class LocatedRecord(NamedTuple):
    """A record, its position in `topic`, and the offsets of its partition: `begin` of the first record that is still
    there, `end` after the last."""

    topic: str
    position: LogPosition
    begin: int
    end: int
    record: Record


async def locate_record(reader: TopicReader, topic: str, position: LogPosition) -> LocatedRecord:
    """The record at `position` of `topic`. Raises `GoneError`, `NoTopicError`, `StalledError`."""
    partition, offset = position
    if partition not in await reader.partitions(topic):
        raise NoTopicError(topic, partition)
    begin, end = await reader.extent(topic, partition)
    name = f"{topic}-{partition}"
    if offset < begin:
        raise GoneError(topic, position, f"{name} begins at {begin}: retention has deleted the payment at {offset}")
    if offset >= end:
        sentence = (
            f"{name} ends at {end}, before the payment's offset {offset}: the topic was created again since, or "
            "belongs to another cluster"
        )
        raise GoneError(topic, position, sentence)
    async for records in reader.forward(topic, partition, offset, offset + 1):
        return LocatedRecord(topic, position, begin, end, records[0])
    raise GoneError(topic, position, f"{name} has no record at {offset}")
