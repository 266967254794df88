"""A worker that dies between any two steps of a checkpoint, or of taking over, counts every payment once.

Method: one worker under a steady load is told, for each named point in turn, to kill itself there, and is started again
as a supervisor would. It does die at each (else the points would have come off the code that they are wrapped around),
and the judge finds nothing. Its group knows it by name, so that nobody waits for its session to end.
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

RULES = Path(__file__).parents[2] / "rules"
PAYMENTS = 60_000
RATE = 500.0
DEATH_S_MAX = 40.0


@pytest.mark.kafka
@pytest.mark.timeout(400)
async def test_a_worker_killed_at_every_named_point_counts_every_payment_once_on_kafka(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    await killed_at_every_point(kafka, True, unique_name, tmp_path)


@pytest.mark.timeout(400)
async def test_a_worker_killed_at_every_named_point_counts_every_payment_once(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    await killed_at_every_point(broker, False, unique_name, tmp_path)


async def killed_at_every_point(brokers: str, kafka: bool, unique_name: Callable[[str], str], directory: Path) -> None:
    points = [point for point in WORKER_POINTS if kafka or point not in TRANSACTION_POINTS]
    with RedisServer() as redis:
        world = Environment(
            Brokers(brokers), redis.url, kafka, unique_name("points"), partitions=2, rules=RULES, checkpoint_s=0.5
        )
        await world.create_topics()
        named = ["--set", f"worker.group_instance_id={world.group}"] if kafka else []
        worker = Process("worker", ["worker", *world.flags(), *named], directory)
        cases = Process("cases", ["cases", *world.flags()], directory)
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
            publishing.cancel()  # enough
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
    """Wait until the point was passed: the order is withdrawn by the process that dies there."""
    limit = time.monotonic() + DEATH_S_MAX
    while worker.ordered(at):
        assert time.monotonic() < limit, f"the worker never came to '{at}':\n{worker.log_tail()}"
        await asyncio.sleep(0.05)
