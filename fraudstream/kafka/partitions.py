"""Which partitions a topic has, for a consumer that takes them without a group: aiokafka's own answer
(`partitions_for_topic`) is empty on Apache Kafka until the consumer has asked for the topic."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient

from fraudstream.kafka.brokers import Brokers


async def partitions_of(brokers: Brokers, topic: str) -> list[int]:
    """In order; none if there is no such topic, or we may not see it. Raises what aiokafka raises."""
    return (await topics_of(brokers)).get(topic, [])


async def topics_of(brokers: Brokers) -> dict[str, list[int]]:
    """The partitions of each topic that we may see. Raises what aiokafka raises."""
    admin = AIOKafkaAdminClient(**brokers.options())
    try:
        await admin.start()
        # All topics, not this one by name: to ask for a topic that is not there may create it.
        return {
            told["topic"]: sorted(partition["partition"] for partition in told["partitions"])
            for told in await admin.describe_topics()
        }
    finally:
        await admin.close()
