"""Retention passes the position of one partition: it stops, the others continue, and an operator can accept the loss.

On Apache Kafka alone: the embedded broker deletes no records.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from fraudstream.engine.partitioners import partitions_for
from fraudstream.stream.observer import Unobserved
from fraudstream.telemetry import http
from fraudstream.telemetry.worker import WorkerTelemetry
from tests.brokers import on_kafka
from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.stream.payments import START_MS, payment
from tests.integration.stream.process import WAIT_S
from tests.integration.topic_admin import delete_records

pytestmark = [on_kafka, pytest.mark.timeout(240)]

GAP = 1  # the partition that loses records


class Stops(Unobserved):
    """Which partitions are stopped, and how many records were given up."""

    def __init__(self) -> None:
        self.stopped: dict[int, str] = {}
        self.missing: dict[int, int] = {}

    def on_stopped(self, partition: int, *, sentence: str) -> None:
        self.stopped[partition] = sentence

    def on_resumed(self, partition: int) -> None:
        self.stopped.pop(partition, None)

    def on_records_missing(self, partition: int, *, records: int) -> None:
        self.missing[partition] = records

    async def until(self, condition: Callable[[Stops], bool]) -> None:
        """Wait until `condition` holds."""
        async with asyncio.timeout(WAIT_S):
            while not condition(self):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


def account_of(partition: int) -> str:
    names = [f"acct-{n}" for n in range(100)]
    numbers: list[int] = partitions_for([name.encode() for name in names], PARTITIONS).tolist()
    return names[numbers.index(partition)]


async def publish(cluster: StreamCluster, first: int, count: int) -> None:
    """`count` payments of one account of each partition, numbered from `first` on."""
    accounts = [account_of(number) for number in range(PARTITIONS)]
    await cluster.publish_records(
        (account.encode(), payment(number, account, occurred_at=START_MS + number))
        for each in range(count)
        for account, number in [(a, first + each * PARTITIONS + n) for n, a in enumerate(accounts)]
    )


async def delete_before_end(cluster: StreamCluster, partition: int, left: int) -> None:
    """Delete the records of a partition, but for the last `left`, as retention does."""
    end = (await cluster.ends(cluster.settings.payments_topic))[partition]
    await delete_records(cluster.brokers, cluster.settings.payments_topic, {partition: end - left})


async def accept_gap(cluster: StreamCluster, *more: str) -> list[dict[str, object]]:
    """What the command prints."""
    words = ["state", "accept-gap", str(GAP), "--as", "r.holm", "--note", "an outage", "--json", *more]
    flags = [flag for flag in cluster.flags() if "metrics" not in flag]
    flags = [word for flag in flags if flag != "--set" for word in ("--set", flag)]
    command = [sys.executable, "-m", "fraudstream.cli.main", *words, *flags]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    accepted: list[dict[str, object]] = json.loads(done.stdout)
    return accepted


@pytest.fixture
async def after_a_gap(cluster: StreamCluster) -> StreamCluster:
    """5 payments of each account are decided; of the next 5, one partition has lost all but the last 2."""
    await publish(cluster, 0, 5)
    async with cluster.worker():
        await cluster.decisions(5 * PARTITIONS)
    await publish(cluster, 100, 5)
    await delete_before_end(cluster, GAP, left=2)
    return cluster


async def test_others_go_on_and_an_accepted_gap_resumes_with_its_state(after_a_gap: StreamCluster) -> None:
    cluster, stops = after_a_gap, Stops()
    async with cluster.worker(stops):
        await cluster.decisions(5 * PARTITIONS + 5 * (PARTITIONS - 1))
        await stops.until(lambda seen: GAP in seen.stopped)
        assert "retention deleted the records 5 to 7 (3)" in stops.stopped[GAP]
        [accepted] = await accept_gap(cluster)
        assert (accepted["first"], accepted["next"], accepted["accepted_by"]) == (5, 8, "r.holm")
        await cluster.decisions(10 * PARTITIONS - 3)
        assert (stops.stopped, stops.missing) == ({}, {GAP: 3})
    found = await cluster.alerts(10 * PARTITIONS - 3 - PARTITIONS)
    alerts = [alert for alert in found if int(alert.event_id.removeprefix("e")) >= 100]
    of_gap = [alert for alert in alerts if alert.account_id == account_of(GAP)]
    assert [alert.rules[0].message for alert in of_gap] == ["6", "7"]  # the 5 before the gap are remembered
    assert {feature.warming for alert in of_gap for feature in alert.features} == {"0 of 30 days"}
    others = [alert for alert in alerts if alert.account_id != account_of(GAP)]
    assert {feature.warming for alert in others for feature in alert.features} == {None}


async def test_workers_stay_alive_and_ready_and_name_the_partition(after_a_gap: StreamCluster) -> None:
    telemetry = WorkerTelemetry(CollectorRegistry(), version="test")
    ready = healthy = ""
    with http.serving(telemetry.registry, telemetry.healthy, telemetry.ready, notes=telemetry.notes) as url:
        async with after_a_gap.worker(telemetry):
            await after_a_gap.decisions(5 * PARTITIONS + 5 * (PARTITIONS - 1))
            async with asyncio.timeout(WAIT_S):
                while "stopped" not in ready:
                    await asyncio.sleep(0.2)
                    ready = await asyncio.to_thread(_get, f"{url}/readyz")
            healthy = await asyncio.to_thread(_get, f"{url}/healthz")
            metrics = await asyncio.to_thread(_get, f"{url}/metrics")
    assert ready.startswith(f"ok, but partition {GAP} is stopped: ")
    assert "accept-gap" in ready
    assert healthy == "ok\n"
    assert 'fraudstream_stopped_partitions{stage="account"} 1.0' in metrics


async def test_two_workers_go_on_and_the_acceptance_may_come_first(after_a_gap: StreamCluster) -> None:
    cluster = after_a_gap
    await accept_gap(cluster)
    first, second = cluster.start_process("first"), cluster.start_process("second")
    try:
        await cluster.decisions(10 * PARTITIONS - 3)
    finally:
        await first.stop()
        await second.stop()


async def test_records_deleted_under_a_running_worker_stop_one_partition(cluster: StreamCluster) -> None:
    worker = cluster.start_process("behind")
    try:
        await publish(cluster, 0, 5)
        await cluster.decisions(5 * PARTITIONS)
        worker.pause()
        await publish(cluster, 100, 5)  # these may have been fetched already
        await publish(cluster, 200, 5)
        await delete_before_end(cluster, GAP, left=0)
        await publish(cluster, 300, 1)
        worker.resume()
        await worker.logs(f"-{GAP} is stopped; the other partitions continue")
        await accept_gap(cluster)
        await worker.logs("resuming at 15 without the records")
        await cluster.records(
            cluster.settings.decisions_topic, lambda found: len({r.value for r in found}) >= 16 * (PARTITIONS - 1) + 6
        )
        await worker.stop()
    finally:
        worker.kill()
    assert "Traceback" not in worker.log.read_text()


async def test_nothing_to_accept_is_said_and_not_recorded(cluster: StreamCluster) -> None:
    await publish(cluster, 0, 1)
    async with cluster.worker():
        await cluster.decisions(PARTITIONS)
    with pytest.raises(AssertionError, match="nothing to accept: its state continues at 1, and its log begins at 0"):
        await accept_gap(cluster)


def _get(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())
