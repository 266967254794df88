"""What an administrator, or retention, does to topics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from fraudstream.kafka import Brokers

DELETED_S_MAX: Final = 30.0


@asynccontextmanager
async def admin_of(brokers: Brokers) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client, closed when the block ends."""
    admin = AIOKafkaAdminClient(**brokers.options())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def delete_topics(brokers: Brokers, *topics: str) -> None:
    """Delete topics and wait until the broker lists them no more."""
    async with admin_of(brokers) as admin:
        await admin.delete_topics(list(topics))
        async with asyncio.timeout(DELETED_S_MAX):
            while set(topics) & {found["topic"] for found in await admin.describe_topics()}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def delete_records(brokers: Brokers, topic: str, before_offsets: Mapping[int, int]) -> None:
    """Delete the records before an offset in each partition, as retention does. On Apache Kafka alone."""
    async with admin_of(brokers) as admin:
        await admin.delete_records(
            {
                TopicPartition(topic, number): RecordsToDelete(before_offset=end)
                for number, end in before_offsets.items()
            }
        )
