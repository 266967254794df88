"""A worker that is asked to stop under load stops in time, and its successor decides nothing again.

The time limit is the supervisor's: it kills any worker still running then and exits with 70.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.brokers import on_kafka
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import assert_counted_once

pytestmark = [on_kafka, pytest.mark.timeout(300)]

PAYMENTS = 20_000
SEEN = 5_000


async def test_partitions_change_owner_without_deciding_payments_again(cluster: StreamCluster) -> None:
    rare = {"worker.processes": "1", "worker.checkpoint_interval_s": "60"}  # so the only checkpoint is the last one
    first = cluster.start_process("first", rare)
    second, stopped = None, asyncio.Event()
    try:
        publishing = asyncio.create_task(load(cluster, stopped))
        await cluster.decisions(SEEN)
        await first.stop()
        stopped.set()
        second = cluster.start_process("second", rare)
        await publishing
        decisions = await cluster.decisions(PAYMENTS)
        assert len(decisions) == PAYMENTS, "the successor decided payments again"
        assert_counted_once(await cluster.alerts(PAYMENTS - 20), PAYMENTS)
        await second.stop()
    finally:
        first.kill()
        if second is not None:
            second.kill()


async def load(cluster: StreamCluster, stopped: asyncio.Event) -> None:
    """Publish all payments, 500 at once; the last ones once the first worker has stopped, else it may decide all."""
    for start in range(0, PAYMENTS, 500):
        if start == PAYMENTS - SEEN:
            await stopped.wait()
        await cluster.publish(range(start, start + 500))
