"""What becomes of a worker whose topics are not what its memory knows: it leaves with a sentence that says what to do,
and judges nothing by the wrong memory. On Apache Kafka, which can do all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from fraudstream.engine import plan
from fraudstream.stream.failure import EXIT_CODE, EXIT_CODE_REFUSED, PermanentFailure
from fraudstream.stream.topics import watch as topic_watch
from fraudstream.stream.worker import serve
from tests.integration.stream.world import PARTITIONS, WAIT_S, World, engine

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_watch, "LOOK_S", 0.2)


@asynccontextmanager
async def admin_of(world: World) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**world.brokers.options())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def create_again(world: World, payments: int) -> None:
    async with admin_of(world) as admin:
        await admin.delete_topics([world.settings.payments_topic])
    await world.create_topics()
    if payments:
        await world.publish(range(1000, 1000 + payments))


async def add_a_partition(world: World) -> None:
    async with admin_of(world) as admin:
        await admin.create_partitions({world.settings.payments_topic: NewPartitions(PARTITIONS + 1)})


async def delete_all_records(world: World) -> None:
    """As retention does, only sooner."""
    topic = world.settings.payments_topic
    ends = await world.ends(topic)
    async with admin_of(world) as admin:
        await admin.delete_records({TopicPartition(topic, n): RecordsToDelete(end) for n, end in ends.items() if end})


async def judge_some(world: World) -> None:
    async with world.worker():
        await world.publish(range(40))
        await world.decisions(40)


async def at_start(world: World) -> str:
    with pytest.raises(PermanentFailure) as refused:
        await asyncio.wait_for(serve(world.settings, engine(), stop=asyncio.Event()), WAIT_S)
    return refused.value.sentence


async def while_it_runs(world: World, change: Awaitable[None]) -> str:
    async with asyncio.timeout(2 * WAIT_S):
        running = asyncio.create_task(serve(world.settings, engine(), stop=asyncio.Event()))
        await world.publish(range(40))
        await world.decisions(40)
        await change
        with pytest.raises(PermanentFailure) as refused:
            await running
    return refused.value.sentence


async def test_a_topic_created_again_while_the_worker_was_down_is_refused(world: World) -> None:
    await judge_some(world)
    await create_again(world, payments=100)
    assert "it was created again, so its offsets mean other payments. To judge all payments" in await at_start(world)


async def test_a_topic_created_again_under_a_worker_ends_it(world: World) -> None:
    said = await while_it_runs(world, create_again(world, payments=0))
    assert "was created again while the worker ran" in said or "has no topic" in said


async def test_partitions_added_while_the_worker_was_down_are_refused(world: World) -> None:
    await judge_some(world)
    await add_a_partition(world)
    assert f"has {PARTITIONS + 1} partitions, its changelog" in await at_start(world)


async def test_partitions_added_under_a_worker_end_it(world: World) -> None:
    assert f"has {PARTITIONS + 1} partitions" in await while_it_runs(world, add_a_partition(world))


async def test_payments_deleted_before_they_were_judged_are_told_at_the_start(world: World) -> None:
    await judge_some(world)
    await world.publish(range(40, 80))
    await delete_all_records(world)
    said = await at_start(world)
    assert "retention deleted the payments" in said
    assert "To judge all payments of the topic anew, stop all workers, delete the topic" in said


async def test_payments_deleted_under_a_worker_that_was_behind_end_it(world: World) -> None:
    worker = world.start_process("behind")
    try:
        await world.publish(range(40))
        await world.decisions(40)
        worker.pause()
        await world.publish(range(40, 80))  # these may be on their way to it already
        await world.publish(range(80, 120))
        await delete_all_records(world)
        await world.publish(range(120, 160))
        worker.resume()
        assert await worker.wait() in (EXIT_CODE, EXIT_CODE_REFUSED)
    finally:
        worker.kill()
    said = worker.log.read_text()
    assert "retention deleted the" in said
    assert "Traceback" not in said


async def test_memory_of_another_layout_version_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await judge_some(world)
    monkeypatch.setattr(plan, "_LAYOUT_VERSION", 2)
    assert "was written for another" in await at_start(world)
