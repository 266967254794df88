"""A payment where it stands in a log: its record, and how far back the log reaches."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from aiokafka import ConsumerRecord

from fraudstream.explain.sent import LogPosition
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader

Record: TypeAlias = ConsumerRecord[bytes, bytes]


class GoneError(Exception):
    """The log does not have the payment any more."""


class LocatedRecord(NamedTuple):
    """`begin`, `end`: the first offset that its partition of `topic` still has, and the one after the last."""

    topic: str
    position: LogPosition
    begin: int
    end: int
    record: Record


async def locate_record(reader: TopicReader, topic: str, position: LogPosition) -> LocatedRecord:
    """Raises `GoneError` or `NoTopicError`."""
    partition, offset = position
    if partition not in await reader.partitions(topic):
        raise NoTopicError(topic, partition)
    begin, end = await reader.extent(topic, partition)
    if offset < begin:
        raise GoneError(f"{topic}-{partition} begins at {begin}: retention has deleted the payment at {offset}")
    if offset >= end:
        raise GoneError(
            f"{topic}-{partition} ends at {end}, before the payment's offset {offset}: the topic was created again "
            "since, or belongs to another cluster"
        )
    async for records in reader.forward(topic, partition, offset, offset + 1):
        return LocatedRecord(topic, position, begin, end, records[0])
    raise GoneError(f"{topic}-{partition} has no record at {offset}")
