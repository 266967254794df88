"""A worker that dies between any two steps of a checkpoint or of an assignment counts every payment once.

Method: one worker under a steady load is ordered, for each named point in turn, to kill itself there, and is started
again as a supervisor would. The test fails if the worker does not die at a point, as the points would then no longer
wrap the code they name, or if the judge finds anything. On Kafka the worker is a static member of its group, so that no
rebalance waits for the end of its session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.chaos.environment import Environment
from benchmarks.chaos.fault_points import ASSIGNMENT_POINTS, TRANSACTION_POINTS, WORKER_POINTS, Orders
from benchmarks.chaos.load import load
from benchmarks.chaos.observed import observe
from benchmarks.chaos.processes import Process, Supervisor
from benchmarks.chaos.publisher import Publisher
from benchmarks.chaos.run import until_consumed, until_processing
from benchmarks.chaos.servers import RedisServer
from benchmarks.chaos.verifier import verify
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.engine.engine import Engine
from fraudstream.kafka import Brokers
from tests.brokers import SelectedBroker, on_both_brokers

RULES = Path(__file__).parents[2] / "examples" / "account_only"
PAYMENTS = 60_000
RATE = 500.0
DEATH_S_MAX = 40.0


@on_both_brokers
@pytest.mark.timeout(400)
async def test_a_worker_killed_at_every_named_point_counts_every_payment_once(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    brokers, kafka = selected_broker
    points = [point for point in WORKER_POINTS if kafka or point not in TRANSACTION_POINTS]
    with RedisServer() as redis:
        world = Environment(
            Brokers(brokers), redis.url, kafka, unique_name("points"), partitions=2, rules=RULES, checkpoint_s=0.5
        )
        await world.create_topics()
        named = ["--set", f"worker.group_instance_id={world.group}"] if kafka else []
        worker = Process("worker", ["worker", *world.flags(), *named], tmp_path)
        cases = Process("cases", ["cases", *world.flags()], tmp_path)
        publisher = Publisher(world, load(1, PAYMENTS, accounts=2_000), RATE)
        async with Supervisor([worker, cases]) as supervisor:
            worker.start()
            cases.start()
            await until_processing([worker], supervisor)
            publishing = asyncio.create_task(publisher.run())
            for point in points:
                worker.order(Orders(point))
                if point in ASSIGNMENT_POINTS:
                    worker.kill()
                await died(worker, at=point)
            publishing.cancel()
            await asyncio.wait([publishing])
            await until_consumed(world, supervisor)
            assert await worker.stop() == 0
            assert await cases.stop() == 0
            observed = await observe(world, redis)
    engine = Engine(load_rule_set(RULES))
    judgement = verify([engine], world.mode, observed)
    assert judgement.findings == []
    assert judgement.payments > 0


async def died(worker: Process, at: str) -> None:
    """Wait until the worker has died at this point: the process that dies there removes the order."""
    limit = time.monotonic() + DEATH_S_MAX
    while worker.ordered(at):
        assert time.monotonic() < limit, f"the worker never reached '{at}':\n{worker.log_tail()}"
        await asyncio.sleep(0.05)
