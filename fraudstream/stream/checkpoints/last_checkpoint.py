"""The position of each partition, read from the end of the changelog without its rows."""

from __future__ import annotations

from collections.abc import Mapping

from fraudstream.kafka.cluster_client import end_offsets
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.topic_reader import NoTopicError
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY
from fraudstream.stream.checkpoints.changelog_reader import ChangelogReader, changelog_reader
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord, decode_checkpoint
from fraudstream.stream.settings import StreamSettings

TAIL_RECORDS = 200  # a checkpoint ends with its record, so this many are usually enough


async def last_checkpoints(settings: StreamSettings) -> dict[int, CheckpointRecord | None]:
    """The last checkpoint record of each partition, None if no worker has opened it yet. Raises `NoTopicError`."""
    numbers = await partitions_of(settings.brokers, settings.changelog_topic)
    if not numbers:
        raise NoTopicError(settings.changelog_topic)
    async with changelog_reader(settings) as reader:
        return {number: await _last(reader, number) for number in numbers}


async def records_behind(settings: StreamSettings, checkpoints: Mapping[int, CheckpointRecord]) -> dict[int, int]:
    """How many records of the log follow each checkpoint, by partition. Raises what the client raises."""
    ends = await end_offsets(settings.brokers, settings.input_topic, list(checkpoints))
    return {number: max(0, end - checkpoints[number].next_offset) for number, end in ends.items()}


async def _last(reader: ChangelogReader, number: int) -> CheckpointRecord | None:
    end, back = await reader.end(number), TAIL_RECORDS
    while True:
        found: CheckpointRecord | None = None
        async for records in reader.tail(number, max(0, end - back), end):
            for record in records:
                if record.key == CHECKPOINT_KEY and record.value is not None:
                    found = decode_checkpoint(record.value)
        if found is not None or end <= back:
            return found
        back *= 10
