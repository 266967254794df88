"""The feed of alerts: those of the topic and each new one are in memory, whatever else the topic holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from fraudstream.console.alert_feed import AlertFeed
from fraudstream.console.alert_source import AlertSource
from fraudstream.contracts import Alert
from fraudstream.kafka import Brokers
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.unit.cases.events import alert


async def no_read(partition: int, alert_ids: Sequence[str]) -> Mapping[str, Alert]:
    return {}


async def test_alerts_from_before_and_after_its_start_are_kept(
    broker: str, redis_url: str, unique_name: Callable[[str], str]
) -> None:
    cluster, source = CaseCluster(broker, redis_url, unique_name), AlertSource(no_read)
    topic = cluster.settings.alerts_topic
    await cluster.create_topics()
    await cluster.publish_alerts([alert("a1", "acc-1"), alert("a2", "acc-2")])
    for value in (b"{", b"\xff", b"[" * 5_000):
        await cluster.publish(topic, value, b"acc-1")
    feed = asyncio.create_task(AlertFeed(Brokers(broker), topic, source, committed_only=False, fetch_wait_ms=5).run())

    async def held(*ids: str) -> bool:
        return len((await source.find("case", 0, ids, 0.0, lambda: None)).alerts) == len(ids)

    try:
        await eventually(lambda: held("a1", "a2"), bool)
        await cluster.publish_alerts([alert("a3", "acc-1")], first_offset=2)
        await eventually(lambda: held("a1", "a2", "a3"), bool)  # a search before its arrival does not hide it
        assert not feed.done()
    finally:
        feed.cancel()
