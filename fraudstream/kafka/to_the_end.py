"""Reading a partition up to where it ends now, by a consumer without a group: in pieces, and never for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from fraudstream.kafka.stall_detector import StallDetector

POLL_MS: Final = 200


async def from_the_beginning(consumer: AIOKafkaConsumer, place: TopicPartition) -> int:
    """Let `consumer` stand at the beginning of `place`, and tell where that ends now.

    The end is the high watermark of the answer to a fetch: other ways to ask are wrong on the embedded broker. Raises
    `StalledError`.
    """
    consumer.assign([place])
    consumer.seek(place, 0)
    progress = StallDetector(f"{place.topic}-{place.partition}")
    while (end := consumer.highwater(place)) is None:
        progress.at(None)
        await consumer.getmany(place, timeout_ms=POLL_MS, max_records=1)
    consumer.seek(place, 0)
    return int(end)


async def up_to(
    consumer: AIOKafkaConsumer,
    place: TopicPartition,
    end: int,
    records_at_once: int,
    tell: Callable[[int], None] | None = None,
) -> AsyncIterator[list[ConsumerRecord[bytes, bytes]]]:
    """The records from where `consumer` stands to before `end`, in pieces. `tell` hears the position before each fetch.

    The position is what counts, as the last records may be control records, which are not handed out. Raises
    `StalledError`.
    """
    progress = StallDetector(f"{place.topic}-{place.partition}")
    while (position := await consumer.position(place)) < end:
        progress.at(position)
        if tell is not None:
            tell(position)
        fetched = await consumer.getmany(place, timeout_ms=POLL_MS, max_records=records_at_once)
        if records := [record for record in fetched.get(place, ()) if record.offset < end]:
            yield records
