"""Accept that retention has deleted records before they were processed, so that their partition continues after them.

The acceptance is a record in the partition's changelog, where the partition's owner finds it: now, or when it is opened
next. It counts for the one gap that begins at the partition's position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaProducer

from fraudstream.kafka.closing import close
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader
from fraudstream.operations.checked_text import check_identifier, check_note
from fraudstream.operations.errors import MissingTopicError, OperationError
from fraudstream.stream.checkpoints.changelog import AcceptedGap, gap_change
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
from fraudstream.stream.settings import StreamSettings

NumberedGap: TypeAlias = tuple[int, AcceptedGap]  # the partition, and its gap


class UnknownPartitionError(OperationError):
    """The topic `topic` has no partition `partition`; it has `partitions`."""

    def __init__(self, topic: str, partition: int, partitions: int) -> None:
        super().__init__(f"'{topic}' has no partition {partition}: it has {partitions}, counted from 0.")
        self.topic, self.partition, self.partitions = topic, partition, partitions


class NothingMissingError(OperationError):
    """No record is missing before the position of `partition` of `topic`."""

    def __init__(self, topic: str, partition: int, position: int | None, begin: int) -> None:
        where = "no worker has opened it yet" if position is None else f"its state continues at {position}"
        super().__init__(
            f"{topic}-{partition}: nothing to accept: {where}, and its log begins at {begin}. Nothing was recorded."
        )
        self.topic, self.partition, self.position, self.begin = topic, partition, position, begin


async def accept_gaps(
    settings: StreamSettings, partitions: Sequence[int], *, by: str, at_ms: int, note: str | None = None
) -> list[NumberedGap]:
    """Record that the missing records of these partitions are given up; returns each partition with its gap.

    `settings`: of the stage that reads the topic. `by`: who accepts it, at `at_ms`. All partitions are checked before
    anything is written. Raises `UnknownPartitionError`, `NothingMissingError`, `MissingTopicError`,
    `InvalidValueError`, and what aiokafka raises.
    """
    check_identifier(by, "by")
    check_note(note)
    try:
        checkpoints, begins = await last_checkpoints(settings), await _begins(settings)
    except NoTopicError as error:
        raise MissingTopicError(settings.brokers.servers, error.topic) from error
    gaps = []
    for number in dict.fromkeys(partitions):
        first, begin = _gap(settings.input_topic, number, checkpoints, begins)
        gaps.append((number, AcceptedGap(settings.input_topic, first, begin, by, at_ms, note)))
    await _write(settings, gaps)
    return gaps


def _gap(
    topic: str, number: int, checkpoints: dict[int, CheckpointRecord | None], begins: dict[int, int]
) -> tuple[int, int]:
    """Offset of the first missing record, and of the first one that is left."""
    if number not in checkpoints or number not in begins:
        raise UnknownPartitionError(topic, number, len(begins))
    checkpoint, begin = checkpoints[number], begins[number]
    if checkpoint is None or checkpoint.next_offset >= begin:
        raise NothingMissingError(topic, number, None if checkpoint is None else checkpoint.next_offset, begin)
    return checkpoint.next_offset, begin


async def _begins(settings: StreamSettings) -> dict[int, int]:
    """The first offset of each partition of the topic. Raises `NoTopicError`."""
    topic = settings.input_topic
    async with TopicReader(settings.brokers, committed_only=False, client_id=f"{settings.app_id}-accept-gap") as reader:
        extents = await reader.extents(topic, await reader.partitions(topic))
    return {number: extent.begin for number, extent in extents.items()}


async def _write(settings: StreamSettings, gaps: Sequence[NumberedGap]) -> None:
    producer = AIOKafkaProducer(**settings.brokers.options(), acks="all")
    try:
        await producer.start()
        for number, gap in gaps:
            key, value = gap_change(gap)
            await producer.send_and_wait(settings.changelog_topic, value, key, partition=number)
    finally:
        await close(producer)
