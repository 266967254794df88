"""Alerts mark features as warming where retention had deleted the beginning of the log, also after a restart."""

from __future__ import annotations

from tests.brokers import on_kafka
from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.topic_admin import delete_records


@on_kafka
async def test_features_warm_up_where_the_beginning_of_the_log_was_deleted(cluster: StreamCluster) -> None:
    await cluster.publish(range(40))
    await delete_records(cluster.brokers, cluster.settings.payments_topic, dict.fromkeys(range(PARTITIONS), 1))
    async with cluster.worker():
        first = await cluster.alerts(1)
    async with cluster.worker():
        await cluster.publish(range(40, 80))
        alerts = await cluster.alerts(len(first) + 30)
    assert {feature.warming for alert in alerts for feature in alert.features} == {"0 of 30 days"}


@on_kafka
async def test_features_of_a_whole_log_never_warm_up(cluster: StreamCluster) -> None:
    await cluster.publish(range(40))
    async with cluster.worker():
        alerts = await cluster.alerts(20)
    assert {feature.warming for alert in alerts for feature in alert.features} == {None}
