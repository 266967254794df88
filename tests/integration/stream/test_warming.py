"""A memory that begins after retention has deleted the log's beginning says so in its alerts, also after a restart."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from tests.integration.stream.world import PARTITIONS, World


@pytest.mark.kafka
async def test_features_warm_up_where_the_beginning_of_the_log_was_deleted_on_kafka(kafka_world: World) -> None:
    world = kafka_world
    await world.publish(range(40))
    admin = AIOKafkaAdminClient(**world.brokers.options())
    await admin.start()
    topic = world.settings.payments_topic
    await admin.delete_records(
        {TopicPartition(topic, number): RecordsToDelete(before_offset=1) for number in range(PARTITIONS)}
    )
    await admin.close()
    async with world.worker():
        first = await world.alerts(1)
    async with world.worker():
        await world.publish(range(40, 80))
        alerts = await world.alerts(len(first) + 30)
    assert {feature.warming for alert in alerts for feature in alert.features} == {"0 of 30 days"}


@pytest.mark.kafka
async def test_features_of_a_whole_log_never_warm_up_on_kafka(kafka_world: World) -> None:
    await kafka_world.publish(range(40))
    async with kafka_world.worker():
        alerts = await kafka_world.alerts(20)
    assert {feature.warming for alert in alerts for feature in alert.features} == {None}
