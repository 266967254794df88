"""Two producers write to one partition of the embedded broker at once while a reader with `OffsetGaps` follows them: it
reads every record once. (On a broker that delivers a record before an earlier one, it fetches the gap again.)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from fraudstream.kafka import Brokers
from fraudstream.kafka.offset_gaps import OffsetGaps
from tests.integration.topic_admin import admin_of

RECORDS = 20_000  # of each producer
AT_ONCE = 5


async def test_a_reader_that_follows_two_producers_misses_no_record(
    broker: str, unique_name: Callable[[str], str]
) -> None:
    topic = unique_name("payments")
    async with admin_of(Brokers(broker)) as admin:
        await admin.create_topics([NewTopic(topic, 1, 1)])

    async def publish() -> None:
        async with AIOKafkaProducer(bootstrap_servers=broker, acks="all") as producer:
            for _ in range(RECORDS // AT_ONCE):
                await asyncio.gather(*(producer.send_and_wait(topic, b"payment", partition=0) for _ in range(AT_ONCE)))

    async def read() -> list[int]:
        tp, offsets = TopicPartition(topic, 0), list[int]()
        async with AIOKafkaConsumer(bootstrap_servers=broker, fetch_max_wait_ms=5) as consumer:
            consumer.assign([tp])
            consumer.seek(tp, 0)
            offset_gaps = OffsetGaps(consumer)
            while len(offsets) < 2 * RECORDS:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    offsets += [record.offset for record in offset_gaps.contiguous(tp, len(offsets), records)]
        return offsets

    async with asyncio.timeout(90):
        _, _, offsets = await asyncio.gather(publish(), publish(), read())
    assert offsets == list(range(2 * RECORDS))
