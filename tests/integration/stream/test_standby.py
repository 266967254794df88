"""A standby takes over the log of a worker that was killed under load, and decides as if nothing had happened.

Invariant: the first decisions on each payment are, in the order of the log, those of a replay of the whole log; repeats
after the takeover have the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Label, Payment
from fraudstream.stream.faust import build
from fraudstream.stream.observer import Unobserved
from tests.brokers import SelectedBroker, on_both_brokers
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.process import WAIT_S
from tests.integration.stream.stage_chain import cluster_of_form, events, payments_in, publish_events
from tests.integration.stream.topic_output import at_least
from tests.integration.stream.worker_log import ASSIGNED
from tests.integration.stream.worker_readiness import until_followed

PART = 250
STANDBY = {"worker.standby": "true"}


@on_both_brokers
async def test_a_standby_goes_on_after_a_killed_owner_and_every_payment_has_the_verdict_of_a_replay(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = await cluster_of_form(selected_broker, unique_name, tmp_path)
    published = events(4 * PART)[: 4 * PART]
    expected = cluster.engine.judge(published, cluster.engine.new_state())
    processes = [owner := cluster.start_process("owner", STANDBY)]
    try:
        await owner.logs(f"{ASSIGNED} 0")
        processes.append(standby := cluster.start_process("standby", STANDBY))
        await standby.logs(f"{ASSIGNED} none")
        await publish(cluster, published, 0, 2)
        await until_followed(standby)
        publishing = asyncio.create_task(publish(cluster, published, 2, 4))
        await cluster.records(cluster.settings.decisions_topic, at_least(payments_in(published[: 2 * PART]) + 20))
        owner.kill()
        await standby.logs(f"{ASSIGNED} 0")
        await publishing
        await until_decided(cluster, payments_in(published))
        processes.append(again := cluster.start_process("again", STANDBY))
        await until_followed(again)
        await again.stop()
        await standby.stop()
    finally:
        for process in processes:
            process.kill()
    answers: dict[bytes, bytes] = {}
    for record in await cluster.records(cluster.settings.decisions_topic, at_least(payments_in(published))):
        source = dict(record.headers)["source"]
        assert answers.setdefault(source, record.value) == record.value
    assert list(answers.values()) == [msgspec.json.encode(decision) for decision in expected.decisions()]


class Owned(Unobserved):
    """The partitions that a worker has owned."""

    def __init__(self) -> None:
        self.assigned: list[list[int]] = []

    def of_stage(self, stage: str) -> Owned:
        return self

    def on_assigned(self, partitions: Sequence[int]) -> None:
        self.assigned.append(list(partitions))


@on_both_brokers
@pytest.mark.parametrize("standby", [False, True], ids=["cold", "standby"])
async def test_a_worker_without_partitions_stays_in_its_group_however_long_it_waits(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    standby: bool,
) -> None:
    """Kafka's client takes a member that fetches nothing for stuck, and lets it leave."""
    monkeypatch.setattr(build, "MAX_POLL_INTERVAL_S", 5.0)
    cluster = await cluster_of_form(selected_broker, unique_name, tmp_path)
    settings = msgspec.structs.replace(cluster.settings, standby=standby)
    owner, waiting = Owned(), Owned()
    async with asyncio.timeout(WAIT_S), AsyncExitStack() as later:
        async with cluster.worker(owner, settings):
            while [0] not in owner.assigned:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await later.enter_async_context(cluster.worker(waiting, settings))
            while [] not in waiting.assigned:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await asyncio.sleep(12.0)
        while [0] not in waiting.assigned:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await publish_events(cluster, events(20))
        await cluster.records(cluster.settings.decisions_topic, at_least(20))


async def publish(cluster: StreamCluster, published: Sequence[Payment | Label], first: int, end: int) -> None:
    """Publish the parts from `first` to before `end`, in small pieces."""
    for begin in range(first * PART, end * PART, 10):
        await publish_events(cluster, published[begin : min(begin + 10, end * PART)])


async def until_decided(cluster: StreamCluster, payments: int) -> None:
    """Wait until so many records of the log have a decision."""

    def complete(records: Sequence[ConsumerRecord]) -> bool:
        return len({dict(record.headers)["source"] for record in records}) >= payments

    await cluster.records(cluster.settings.decisions_topic, complete)
