"""Labels of the labels topic are forwarded at least once, and the group commits all their offsets, without a stall."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.stream.payments import fraud_label, payment
from tests.integration.stream.process import WAIT_S
from tests.integration.stream.topic_output import at_least


async def test_the_group_has_committed_all_forwarded_labels_after_each_change_of_owner(cluster: StreamCluster) -> None:
    await cluster.publish_records([(b"a1", payment(0, "a1"))])
    for round_ in range(3):
        async with cluster.worker():
            for number in range(3 * round_, 3 * round_ + 3):
                await cluster.publish_records([(b"a1", fraud_label(number, "a1"))], cluster.settings.labels_topic)
            await committed(cluster, 3 * round_ + 3)
    log = await cluster.records(cluster.settings.payments_topic, at_least(10))
    assert len(log) == 10, "a label was forwarded again after an orderly stop"


async def committed(cluster: StreamCluster, labels: int) -> None:
    """Wait until the committed offsets of the labels topic add up to `labels`."""
    topic = cluster.settings.labels_topic
    assert topic is not None
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    async with (
        asyncio.timeout(WAIT_S),
        AIOKafkaConsumer(
            **cluster.settings.brokers.options(), group_id=cluster.settings.app_id, enable_auto_commit=False
        ) as consumer,
    ):
        consumer.assign(partitions)
        while sum([await consumer.committed(partition) or 0 for partition in partitions]) < labels:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
