"""Exactly-once counting: no payment is lost and none counted twice when workers stop, die, join or pause.

Invariant: after any schedule of stops, kills and joins, each account's alerts count 2, 3, ... without a gap and no
payment has two verdicts (`assert_counted_once`). Method: real workers, real signals, a rule whose message is the count.
Limits: the embedded broker has no transactions, so there the checkpoint mode `batch` is tested; on Apache Kafka, the
mode `transaction`.
"""

import asyncio

from tests.brokers import on_both_brokers
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import assert_counted_once
from tests.integration.stream.worker_log import ASSIGNED, assigned


async def test_a_stopped_worker_resumes_at_its_checkpoint(cluster: StreamCluster) -> None:
    async with cluster.worker():
        await cluster.publish(range(200))
        await cluster.decisions(200)
    await cluster.publish(range(200, 400))
    async with cluster.worker():
        decisions = await cluster.decisions(400)
        alerts = await cluster.alerts(380)
    assert len(decisions) == 400, "a payment was decided again after an orderly stop"
    assert_counted_once(alerts, 400)


@on_both_brokers
async def test_a_killed_worker_counts_every_payment_once(cluster: StreamCluster) -> None:
    worker = cluster.start_process("killed")
    try:
        for start in range(0, 300, 50):
            await cluster.publish(range(start, start + 50))
            await cluster.decisions(start + 50)
        worker.kill()
        await cluster.publish(range(300, 400))
        worker = cluster.start_process("successor")
        await cluster.decisions(400)
        assert_counted_once(await cluster.alerts(380), 400)
        await worker.stop()
    finally:
        worker.kill()


@on_both_brokers
async def test_a_second_worker_joins_and_nothing_is_counted_twice(cluster: StreamCluster) -> None:
    first = cluster.start_process("first")
    second = None
    try:
        await first.logs(assigned(0, 1, 2, 3))
        publishing = asyncio.create_task(publish_slowly(cluster, 0, 600))
        second = cluster.start_process("second")
        await second.logs(ASSIGNED)
        await publishing
        decisions = await cluster.decisions(600)
        assert_counted_once(await cluster.alerts(580), 600)
        assert len(decisions) == 600, "a graceful rebalance decided payments again"
        await first.stop()
        await second.stop()
    finally:
        first.kill()
        if second is not None:
            second.kill()


@on_both_brokers
async def test_a_worker_paused_beyond_its_session_counts_nothing_twice(cluster: StreamCluster) -> None:
    """It resumes after another worker has taken its partitions: on Apache Kafka it is fenced."""
    first = cluster.start_process("paused")
    second = None
    try:
        await cluster.publish(range(100))
        await cluster.decisions(100)
        first.pause()
        await cluster.publish(range(100, 200))
        second = cluster.start_process("successor")
        await second.logs(assigned(0, 1, 2, 3))
        await cluster.decisions(200)
        first.resume()
        await publish_slowly(cluster, 200, 400)
        await cluster.decisions(400)
        assert_counted_once(await cluster.alerts(380), 400)
        await second.stop()
    finally:
        first.kill()
        if second is not None:
            second.kill()


async def publish_slowly(cluster: StreamCluster, start: int, end: int) -> None:
    """Payments `start` to `end`, 20 every 0.1 s, so that a rebalance falls within the load."""
    for first in range(start, end, 20):
        await cluster.publish(range(first, first + 20))
        await asyncio.sleep(0.1)
