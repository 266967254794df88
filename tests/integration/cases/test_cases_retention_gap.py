"""Alerts that retention deleted before they were grouped are counted and logged, and the agent continues.

On Apache Kafka alone: the embedded broker deletes no records.
"""

from __future__ import annotations

import pytest

from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.observer import Unobserved
from tests.brokers import on_kafka
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.integration.topic_admin import delete_records
from tests.unit.cases.events import alert

pytestmark = [on_kafka, pytest.mark.timeout(240)]


class Missing(Unobserved):
    """Records that were reported missing, by topic."""

    def __init__(self) -> None:
        self.records: dict[str, int] = {}

    def on_records_missing(self, partition: int, *, topic: str, records: int) -> None:
        self.records[topic] = self.records.get(topic, 0) + records


async def test_deleted_alerts_are_counted_and_later_ones_grouped(cluster: CaseCluster) -> None:
    topic, account = cluster.settings.alerts_topic, "acc-1"
    first = CaseAgent(cluster.settings, Unobserved(), cluster.view())
    await first.start()
    await cluster.publish_alerts([alert("a-0", account)])
    await eventually(cluster.case_events, lambda found: len(found) == 1)
    await first.stop()
    await cluster.publish_alerts([alert(f"a-{n}", account) for n in range(1, 6)], first_offset=1)
    [partition] = {record.partition for record in await cluster.records(topic)}
    await delete_records(cluster.settings.brokers, topic, {partition: 4})
    missing = Missing()
    second = CaseAgent(cluster.settings, missing, cluster.view())
    await second.start()
    try:
        await eventually(cluster.case_events, lambda found: len(found) == 3)
    finally:
        await second.stop()
    assert missing.records == {topic: 3}
    assert [line.alert_id for line in (await cluster.cases())[account].alerts] == ["a-0", "a-4", "a-5"]
