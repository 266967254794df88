"""What the monitor of a stage reports of its partitions' lag."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from fraudstream.kafka import Brokers
from fraudstream.kafka.lag_monitor import LagMonitor
from fraudstream.kafka.outage_logger import OutageLogger
from fraudstream.stream.monitor import InputLag
from tests.unit.stream.in_memory import OWN, InMemoryLog, Worker, payment, switch


def monitor(worker: Worker, log: InMemoryLog | None = None) -> LagMonitor[Mapping[int, int]]:
    partitions = worker.stage.partitions
    return LagMonitor(
        held=partitions,
        log=InputLag(log or worker.input, partitions),
        outage=OutageLogger(Brokers("nowhere:1"), logging.getLogger(__name__)),
        observer=worker.observer,
    )


async def test_the_lag_of_each_partition_is_reported() -> None:
    worker = Worker()
    await worker.assign(0, 1)
    worker.input.end |= {0: 10, 1: 4}
    await worker.process(payment(0), payment(1))
    worker.observer.lags.clear()
    await monitor(worker).look()
    assert worker.observer.lags == [(0, 8), (1, 4)]
    assert worker.observer.answers == [True]


async def test_partitions_that_recover_or_were_cut_over_have_no_lag_here() -> None:
    worker = Worker()
    await worker.assign(0)
    await worker.process(switch(0, OWN.digest, state_version=2))
    await worker.stage.assignment.on_assigned({0, 1})
    worker.observer.lags.clear()
    await monitor(worker).look()
    assert worker.observer.lags == []
    assert worker.observer.answers == [True]


async def test_brokers_that_do_not_answer_are_reported_and_nothing_else() -> None:
    class Away(InMemoryLog):
        async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
            raise OSError("no route")

    worker = Worker()
    await worker.assign(0)
    await monitor(worker, Away()).look()
    assert (worker.observer.answers, worker.observer.lags) == ([False], [])


async def test_a_partition_that_leaves_while_the_brokers_are_asked_is_not_reported() -> None:
    worker = Worker()
    await worker.assign(0, 1)

    class Slow(InMemoryLog):
        async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
            await worker.stage.assignment.on_assigned({1})
            return await super().ends(partitions)

    await monitor(worker, Slow()).look()
    assert [number for number, _ in worker.observer.lags] == [1]


async def test_partitions_that_wait_for_an_open_transaction_are_reported() -> None:
    worker = Worker()
    await worker.assign(0, 1)
    worker.input.end |= {0: 43, 1: 4}
    worker.input.high_watermark |= {0: 47, 1: 4}
    worker.stage.monitor.look_at_transactions()
    [waiting] = worker.observer.transactions
    assert list(waiting) == [0]
    assert waiting[0].startswith("partition 0 of payments has waited for an open transaction of a publisher since ")
    assert waiting[0].endswith("last stable offset 43, high watermark 47")
    worker.input.high_watermark[0] = 43
    worker.stage.monitor.look_at_transactions()
    assert worker.observer.transactions[-1] == {}
