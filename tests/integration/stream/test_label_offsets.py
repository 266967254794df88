"""Labels of their own topic are forwarded at least once, and the group knows how far: nothing stands still at a gap."""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.integration.stream.world import PARTITIONS, WAIT_S, World, payment


async def test_the_group_stands_behind_all_forwarded_labels_after_each_change_of_owner(world: World) -> None:
    await world.publish_records([(b"a1", payment(0, "a1"))])
    for round_ in range(3):
        async with world.worker():
            for number in range(3 * round_, 3 * round_ + 3):
                await world.publish_records([(b"a1", label(number))], world.settings.labels_topic)
            await committed(world, 3 * round_ + 3)
    log = await world.records(world.settings.payments_topic, lambda records: len(records) >= 10)
    assert len(log) == 10, "a label was forwarded again after an orderly stop"


def label(number: int) -> bytes:
    return msgspec.json.encode({"event_id": f"e{number}", "account_id": "a1", "label": "fraud", "labelled_at": 1})


async def committed(world: World, labels: int) -> None:
    topic = world.settings.labels_topic
    assert topic is not None
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    async with (
        asyncio.timeout(WAIT_S),
        AIOKafkaConsumer(
            **world.settings.brokers.options(), group_id=world.settings.app_id, enable_auto_commit=False
        ) as consumer,
    ):
        consumer.assign(places)
        while sum([await consumer.committed(place) or 0 for place in places]) < labels:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
