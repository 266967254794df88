"""Reads whole partitions of topics, and their end offsets."""

from __future__ import annotations

import time
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from benchmarks.chaos.environment import Environment

POLL_MS: Final = 500
FETCH_BYTES_MAX: Final = 8 << 20
READ_S_MAX: Final = 180.0

Records = list[ConsumerRecord]


async def read_partition(environment: Environment, topic: str, partition: int, *, committed: bool) -> Records:
    """All current records of a partition, in order. `committed`: without those of aborted transactions.

    Raises `RuntimeError` if they cannot be read in time.
    """
    consumer = AIOKafkaConsumer(
        **environment.brokers.options(),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed" if committed and environment.kafka else "read_uncommitted",
        fetch_max_wait_ms=POLL_MS,
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
    )
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek(place, 0)
        found: Records = []
        limit, end = time.monotonic() + READ_S_MAX, None
        # The high watermark, so that records of open transactions are waited for. Compared with the position, not the
        # last record, which may be a control record.
        while end is None or await consumer.position(place) < end:
            found += (await consumer.getmany(place, timeout_ms=POLL_MS)).get(place, ())
            end = consumer.highwater(place) if end is None else end
            if time.monotonic() > limit:
                raise RuntimeError(f"{topic}-{partition} could not be read to its end {end}: at {len(found)} records")
        return found
    finally:
        await consumer.stop()


async def ends(environment: Environment, topic: str) -> dict[int, int]:
    """The current end offset of each partition."""
    async with AIOKafkaConsumer(**environment.brokers.options()) as consumer:
        places = [TopicPartition(topic, number) for number in range(environment.partitions)]
        found: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return {place.partition: end for place, end in found.items()}
