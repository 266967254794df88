"""An erased case is gone from the topic, Redis and the console's index, and nothing that is rebuilt brings it back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.grouping import case_id_of
from fraudstream.console.feed import CaseFeed
from fraudstream.console.index import CaseIndex
from fraudstream.console.live import LiveChanges
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.search.disk_index import DiskIndex
from tests.brokers import on_both_brokers
from tests.integration.cases.case_cluster import WAIT_S, CaseCluster, eventually
from tests.unit.cases.events import action, alert

pytestmark = on_both_brokers

ERASED, KEPT = case_id_of("acc-1", "a1"), case_id_of("acc-2", "b1")
YEAR_MS = 365 * 24 * 3600 * 1000


@asynccontextmanager
async def running(cluster: CaseCluster, now_ms: int = 10_000, retention_days: int = 0) -> AsyncIterator[None]:
    settings = replace(cluster.settings, retention_days=retention_days)
    agent = CaseAgent(settings, view=cluster.view(), now_ms=lambda: now_ms)
    await agent.start()
    try:
        yield
    finally:
        await agent.stop()
        assert agent.crash_reason is None


async def statuses(cluster: CaseCluster) -> dict[str, str]:
    view = cluster.view()
    try:
        found = [await view.case(case_id) for case_id in (ERASED, KEPT)]
        return {case.case_id: case.status for case in found if case is not None}
    finally:
        await view.close()


async def ids_in_view(cluster: CaseCluster) -> list[str]:
    return list(await statuses(cluster))


async def ids_in_new_index(cluster: CaseCluster, directory: Path) -> list[str]:
    """The cases of an index that is built anew, as by `console --rebuild`."""
    index, live = CaseIndex(DiskIndex(directory, lambda: 0, rebuild=True)), LiveChanges()
    feed = CaseFeed(
        cluster.settings.brokers,
        cluster.settings.cases_topic,
        index,
        live,
        committed_only=cluster.settings.fenced,
        fetch_wait_ms=20,
    )
    reading = asyncio.create_task(feed.run())
    async with asyncio.timeout(WAIT_S):
        while live.state != "live":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    page = await asyncio.to_thread(index.page, QueueQuery(status="all"), None, 50)
    reading.cancel()
    await asyncio.wait([reading])
    await index.close()
    return [row.case_id for row in page.rows]


async def test_nothing_that_is_rebuilt_brings_an_erased_case_back(cluster: CaseCluster, tmp_path: Path) -> None:
    async with running(cluster):
        await cluster.publish_alerts([alert("a1"), alert("b1", "acc-2")])
        await eventually(lambda: ids_in_view(cluster), lambda found: found == [ERASED, KEPT])
        await cluster.publish_actions([action("close", ERASED, disposition="false_positive", note="she called")])
        await eventually(lambda: statuses(cluster), lambda found: found.get(ERASED) == "closed")
        await cluster.publish_actions([action("erase", ERASED, "eve", "erase-1")])
        await eventually(lambda: ids_in_view(cluster), lambda found: found == [KEPT])
        view = cluster.view()
        assert await view.ids_of_account("acc-1") == []
        await view.close()

    view = cluster.view()
    await view.clear()
    await view.close()
    async with running(cluster):
        await eventually(lambda: ids_in_view(cluster), lambda found: found == [KEPT])
        await cluster.publish_alerts([alert("c1", "acc-3")], first_offset=2)
        await eventually(cluster.cases_in_view, lambda found: "acc-3" in found)
    assert await cluster.cases_in_view() == {"acc-2", "acc-3"}
    assert ERASED not in await ids_in_new_index(cluster, tmp_path)


async def test_a_closed_case_leaves_everything_when_its_time_is_up(cluster: CaseCluster, tmp_path: Path) -> None:
    async with running(cluster):
        await cluster.publish_alerts([alert("a1"), alert("b1", "acc-2")])
        await eventually(lambda: ids_in_view(cluster), lambda found: found == [ERASED, KEPT])
        await cluster.publish_actions([action("close", ERASED, disposition="false_positive")])
        await eventually(lambda: statuses(cluster), lambda found: found.get(ERASED) == "closed")
    async with running(cluster, now_ms=time.time_ns() // 1_000_000 + YEAR_MS, retention_days=364):
        await eventually(lambda: ids_in_view(cluster), lambda found: found == [KEPT])
    assert await ids_in_new_index(cluster, tmp_path) == [KEPT]
