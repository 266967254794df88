"""When the case agent has written the case of each account, by the records of the topic `cases`."""

from __future__ import annotations

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from fraudstream.contracts import Case
from fraudstream.contracts.case import POSITION_KEY
from tests.integration.cases.case_cluster import PARTITIONS, CaseCluster


async def written_at_ms(cluster: CaseCluster) -> dict[str, int]:
    """By account, when the first record of its case was written, ms since the epoch."""
    written = dict[str, int]()
    partitions = [TopicPartition(cluster.settings.cases_topic, number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(**cluster.settings.brokers.options(), enable_auto_commit=False) as consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    if record.value is not None and record.key != POSITION_KEY:
                        written.setdefault(msgspec.json.decode(record.value, type=Case).account_id, record.timestamp)
    return written
