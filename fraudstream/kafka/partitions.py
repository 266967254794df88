"""The partitions of topics, for a consumer without a group.

aiokafka's own `partitions_for_topic` is empty on Apache Kafka until the consumer has requested metadata of the topic.
"""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient

from fraudstream.kafka.brokers import Brokers


async def partitions_of(brokers: Brokers, topic: str) -> list[int]:
    """Partition numbers of `topic`, ascending; empty if the topic does not exist or may not be described.

    Raises aiokafka's errors.
    """
    return (await topics_of(brokers)).get(topic, [])


async def topics_of(brokers: Brokers) -> dict[str, list[int]]:
    """Partition numbers, ascending, of every topic that may be described. Raises aiokafka's errors."""
    admin = AIOKafkaAdminClient(**brokers.options())
    try:
        await admin.start()
        # All topics, not one by name: a metadata request that names a missing topic may create it.
        return {
            described["topic"]: sorted(partition["partition"] for partition in described["partitions"])
            for described in await admin.describe_topics()
        }
    finally:
        await admin.close()
