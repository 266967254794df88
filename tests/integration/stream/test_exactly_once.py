"""Nothing lost, nothing counted twice, whatever happens to the workers.

Invariant: after any schedule of stops, kills and joins, each account's alerts count 2, 3, ... without a gap and no
payment has two verdicts (`assert_counted_once`). Method: real workers, real signals, a rule whose message is the count.
Limits: the embedded broker has no transactions, so this proves the mode `batch`; `kafka`-marked tests prove the mode
`transaction`.
"""

import asyncio

import pytest

from tests.integration.stream.world import World, assert_counted_once


async def test_a_stopped_worker_resumes_exactly_where_it_was(world: World) -> None:
    async with world.worker():
        await world.publish(range(200))
        await world.decisions(200)
    await world.publish(range(200, 400))
    async with world.worker():
        decisions = await world.decisions(400)
        alerts = await world.alerts(380)
    assert len(decisions) == 400, "a payment was decided again after an orderly stop"
    assert_counted_once(alerts, 400)


async def test_a_killed_worker_counts_every_payment_once(world: World) -> None:
    await killed_and_restarted(world)


async def test_a_second_worker_joins_and_nothing_is_counted_twice(world: World) -> None:
    await joined_by_another(world)


async def test_a_paused_worker_comes_back_and_nothing_is_counted_twice(world: World) -> None:
    await paused_beyond_its_session(world)


@pytest.mark.kafka
async def test_a_killed_worker_counts_every_payment_once_on_kafka(kafka_world: World) -> None:
    await killed_and_restarted(kafka_world)


@pytest.mark.kafka
async def test_a_second_worker_joins_and_nothing_is_counted_twice_on_kafka(kafka_world: World) -> None:
    await joined_by_another(kafka_world)


@pytest.mark.kafka
async def test_a_paused_worker_is_fenced_and_nothing_is_counted_twice_on_kafka(kafka_world: World) -> None:
    await paused_beyond_its_session(kafka_world)


async def killed_and_restarted(world: World) -> None:
    worker = world.start_process("killed")
    try:
        for start in range(0, 300, 50):
            await world.publish(range(start, start + 50))
            await world.decisions(start + 50)
        worker.kill()
        await world.publish(range(300, 400))
        worker = world.start_process("successor")
        await world.decisions(400)
        assert_counted_once(await world.alerts(380), 400)
        await worker.stop()
    finally:
        worker.kill()


async def joined_by_another(world: World) -> None:
    first = world.start_process("first")
    second = None
    try:
        await first.says("judging partitions [0, 1, 2, 3]")
        publishing = asyncio.create_task(publish_slowly(world, 0, 600))
        second = world.start_process("second")
        await second.says("judging partitions")
        await publishing
        decisions = await world.decisions(600)
        assert_counted_once(await world.alerts(580), 600)
        assert len(decisions) == 600, "a graceful rebalance decided payments again"
        await first.stop()
        await second.stop()
    finally:
        first.kill()
        if second is not None:
            second.kill()


async def paused_beyond_its_session(world: World) -> None:
    first = world.start_process("paused")
    second = None
    try:
        await world.publish(range(100))
        await world.decisions(100)
        first.pause()
        await world.publish(range(100, 200))
        second = world.start_process("successor")
        await second.says("judging partitions [0, 1, 2, 3]")
        await world.decisions(200)
        first.resume()
        await publish_slowly(world, 200, 400)
        await world.decisions(400)
        assert_counted_once(await world.alerts(380), 400)
        await second.stop()
    finally:
        first.kill()
        if second is not None:
            second.kill()


async def publish_slowly(world: World, start: int, end: int) -> None:
    for first in range(start, end, 20):
        await world.publish(range(first, first + 20))
        await asyncio.sleep(0.1)
