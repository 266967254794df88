"""A worker whose topics no longer fit its state stops with a message that says what to do, and decides nothing with the
wrong state. On Apache Kafka alone: the embedded broker cannot add partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import msgspec
import pytest
from aiokafka.admin import NewPartitions

from fraudstream.engine import plan
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.worker import serve
from tests.brokers import on_kafka
from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.stream.process import WAIT_S
from tests.integration.stream.rules import engine
from tests.integration.topic_admin import admin_of, delete_topics

pytestmark = [on_kafka, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def topics_are_checked_often(cluster: StreamCluster) -> None:
    """Check topics every 0.2 s."""
    cluster.settings = msgspec.structs.replace(cluster.settings, topic_check_s=0.2)


async def create_again(cluster: StreamCluster, payments: int) -> None:
    """Delete the payments topic and create it anew, with so many other payments in it."""
    await delete_topics(cluster.brokers, cluster.settings.payments_topic)
    await cluster.create_topics()
    if payments:
        await cluster.publish(range(1000, 1000 + payments))


async def add_a_partition(cluster: StreamCluster) -> None:
    """Add a partition to the payments topic."""
    async with admin_of(cluster.brokers) as admin:
        await admin.create_partitions({cluster.settings.payments_topic: NewPartitions(PARTITIONS + 1)})


async def decide_some(cluster: StreamCluster) -> None:
    """Run a worker until 40 payments are decided."""
    async with cluster.worker():
        await cluster.publish(range(40))
        await cluster.decisions(40)


async def refusal_at_start(cluster: StreamCluster) -> str:
    """The message with which a worker refuses to start."""
    with pytest.raises(PermanentFailure) as refused:
        await asyncio.wait_for(serve(cluster.settings, engine(), stop=asyncio.Event()), WAIT_S)
    return refused.value.sentence


async def failure_while_running(cluster: StreamCluster, change: Awaitable[None]) -> str:
    """The message with which a running worker stops after `change`."""
    async with asyncio.timeout(2 * WAIT_S):
        running = asyncio.create_task(serve(cluster.settings, engine(), stop=asyncio.Event()))
        await cluster.publish(range(40))
        await cluster.decisions(40)
        await change
        with pytest.raises(PermanentFailure) as refused:
            await running
    return refused.value.sentence


async def test_a_topic_created_again_while_the_worker_was_down_is_refused(cluster: StreamCluster) -> None:
    await decide_some(cluster)
    await create_again(cluster, payments=100)
    assert (
        "it was created again, so its offsets refer to other payments. To process all payments"
        in await refusal_at_start(cluster)
    )


async def test_a_topic_created_again_under_a_worker_ends_it(cluster: StreamCluster) -> None:
    said = await failure_while_running(cluster, create_again(cluster, payments=0))
    assert "was created again while the worker ran" in said or "has no topic" in said


async def test_partitions_added_while_the_worker_was_down_are_refused(cluster: StreamCluster) -> None:
    await decide_some(cluster)
    await add_a_partition(cluster)
    assert f"has {PARTITIONS + 1} partitions, its changelog" in await refusal_at_start(cluster)


async def test_partitions_added_under_a_worker_end_it(cluster: StreamCluster) -> None:
    assert f"has {PARTITIONS + 1} partitions" in await failure_while_running(cluster, add_a_partition(cluster))


async def test_state_of_another_layout_version_is_refused(
    cluster: StreamCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decide_some(cluster)
    monkeypatch.setattr(plan, "_LAYOUT_VERSION", plan._LAYOUT_VERSION + 1)
    assert "was written for another" in await refusal_at_start(cluster)
