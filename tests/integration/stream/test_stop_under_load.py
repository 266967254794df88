"""A worker that is asked to stop in the midst of a load leaves in time, and its successor sends nothing again.

The time is the supervisor's: it kills who exceeds it and ends with 70.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.stream.world import World, assert_counted_once

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

PAYMENTS = 20_000
SEEN = 5_000


async def test_partitions_are_handed_over_without_a_replay(kafka_world: World) -> None:
    world = kafka_world
    rare = {"worker.processes": "1", "worker.checkpoint_interval_s": "60"}  # all since the start is the last one's
    first = world.start_process("first", rare)
    second = None
    try:
        publishing = asyncio.create_task(load(world))
        await world.decisions(SEEN)
        await first.stop()
        second = world.start_process("second", rare)
        await publishing
        decisions = await world.decisions(PAYMENTS)
        assert len(decisions) == PAYMENTS, "the successor decided payments again"
        assert_counted_once(await world.alerts(PAYMENTS - 20), PAYMENTS)
        await second.stop()
    finally:
        first.kill()
        if second is not None:
            second.kill()


async def load(world: World) -> None:
    for start in range(0, PAYMENTS, 500):
        await world.publish(range(start, start + 500))
