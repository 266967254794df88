"""`fraudstream worker --processes N`: one supervisor, N workers; observed through their logs, the topics and /proc.

Limits: on the embedded broker; static membership needs Apache Kafka.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from fraudstream.cli.command_process import CommandProcess
from fraudstream.cli.worker_processes import restart_when_unhealthy
from fraudstream.stream.failure import EXIT_CODE, EXIT_CODE_REFUSED
from tests.brokers import on_kafka
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import assert_counted_once
from tests.integration.stream.process import WAIT_S, ChildProcess
from tests.integration.stream.worker_log import ASSIGNED

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.timeout(300),
]


async def test_a_worker_that_is_killed_is_started_again_and_counts_every_payment_once(cluster: StreamCluster) -> None:
    supervisor = cluster.start_process("supervisor", {"worker.processes": "2"})
    try:
        await all_judge(supervisor)
        for start in range(0, 200, 50):
            await cluster.publish(range(start, start + 50))
        await cluster.decisions(200)
        victim = children(supervisor)[0]
        os.kill(victim, signal.SIGKILL)
        await cluster.publish(range(200, 400))
        await supervisor.logs("was killed by SIGKILL, restarting in 0.5 s")
        await cluster.decisions(400)
        assert_counted_once(await cluster.alerts(380), 400)
        started = children(supervisor)
        assert len(started) == 2
        assert victim not in started
        await supervisor.stop()
        await gone(started)
    finally:
        supervisor.kill()


async def test_no_worker_outlives_a_supervisor_that_is_killed(cluster: StreamCluster) -> None:
    supervisor = cluster.start_process("supervisor", {"worker.processes": "2"})
    try:
        await all_judge(supervisor)
        workers = children(supervisor)
        supervisor.kill()
        await gone(workers)
    finally:
        supervisor.kill()


async def test_a_worker_that_is_refused_ends_the_supervisor_with_its_message(cluster: StreamCluster) -> None:
    supervisor = cluster.start_process("supervisor", {"worker.processes": "2", "topics.alerts": "nowhere"})
    try:
        assert await supervisor.wait() == EXIT_CODE_REFUSED
        last = supervisor.log.read_text().splitlines()[-1]
        assert re.match(r"fraudstream: worker \d cannot run: .* has no topic 'nowhere'\. Create the topics", last)
    finally:
        supervisor.kill()


async def test_a_worker_that_does_not_end_in_time_is_killed_and_logged(cluster: StreamCluster) -> None:
    supervisor = cluster.start_process("supervisor", {"worker.processes": "2"})
    workers: list[int] = []
    try:
        await all_judge(supervisor)
        workers = children(supervisor)
        os.kill(workers[0], signal.SIGSTOP)
        await supervisor.stop(EXIT_CODE)
        assert "was killed: it was still running after 12 s" in supervisor.log.read_text()
        await gone(workers)
    finally:
        supervisor.kill()


async def test_an_unhealthy_process_is_started_again(tmp_path: Path) -> None:
    messages: list[str] = []
    command = ["tests.integration.stream.unhealthy_process", str(tmp_path / "mark")]
    process = CommandProcess("unhealthy", command, os.environ, report=messages.append)
    urls = {""}
    tasks = [asyncio.create_task(process.run()), asyncio.create_task(restart_when_unhealthy(process, 0.1, WAIT_S))]
    try:
        async with asyncio.timeout(WAIT_S):
            while len({*urls, process.status.metrics_url}) < 3:  # none, that of the first process, that of the second
                urls.add(process.status.metrics_url)
                await asyncio.sleep(0.05)
        assert messages == ["unhealthy was killed by SIGTERM, restarting in 0.5 s"]
    finally:
        await process.stop(WAIT_S)
        for task in tasks:
            task.cancel()


@on_kafka
async def test_a_restart_within_the_session_moves_no_partition(cluster: StreamCluster) -> None:
    supervisor = cluster.start_process(
        "supervisor",
        {"worker.processes": "2", "worker.group_instance_id": "shop", "worker.session_timeout_s": "20"},
    )
    try:
        await all_judge(supervisor)
        before = assignments(supervisor.log)
        os.kill(children(supervisor)[0], signal.SIGKILL)
        await supervisor.logs("restarting in")
        await cluster.publish(range(100))
        await cluster.decisions(100)
        after = assignments(supervisor.log)
        (again,) = after - before  # one more line: the killed worker has its partitions again
        assert before[again] == 1
        await supervisor.stop()
    finally:
        supervisor.kill()


async def all_judge(supervisor: ChildProcess) -> None:
    """Wait until both workers have two of the four partitions."""
    async with asyncio.timeout(WAIT_S):
        while True:
            held = dict(re.findall(rf"^(worker \d): .* {ASSIGNED} (\d.*)$", supervisor.log.read_text(), re.M))
            if (
                sorted(part for parts in held.values() for part in parts.split(", ")) == ["0", "1", "2", "3"]
                and len(held) == 2
            ):
                return
            await asyncio.sleep(0.05)


def assignments(log: Path) -> Counter[str]:
    """How often each worker was assigned which partitions."""
    return Counter(
        f"{worker} {parts}"
        for worker, parts in re.findall(rf"^(worker \d): .* {ASSIGNED} (.*)$", log.read_text(), re.M)
    )


def children(supervisor: ChildProcess) -> list[int]:
    """Process ids of the supervisor's children."""
    return [int(pid) for pid in Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text().split()]


async def gone(pids: list[int]) -> None:
    """Wait until none of the processes exists."""
    async with asyncio.timeout(WAIT_S):
        while any(os.path.exists(f"/proc/{pid}") for pid in pids):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.05)
