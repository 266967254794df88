"""`fraudstream worker --processes N`: one supervisor, N workers; seen through their logs, the topics and the kernel.

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
from tests.integration.stream.world import WAIT_S, Process, World, assert_counted_once

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.timeout(300),
]


async def test_a_worker_that_is_killed_is_started_again_and_counts_every_payment_once(world: World) -> None:
    supervisor = world.start_process("supervisor", {"worker.processes": "2"})
    try:
        await all_judge(supervisor)
        for start in range(0, 200, 50):
            await world.publish(range(start, start + 50))
        await world.decisions(200)
        victim = children(supervisor)[0]
        os.kill(victim, signal.SIGKILL)
        await world.publish(range(200, 400))
        await supervisor.says("was killed by SIGKILL, restarting in 0.5 s")
        await world.decisions(400)
        assert_counted_once(await world.alerts(380), 400)
        started = children(supervisor)
        assert len(started) == 2
        assert victim not in started
        await supervisor.stop()
        await gone(started)
    finally:
        supervisor.kill()


async def test_no_worker_outlives_a_supervisor_that_is_killed(world: World) -> None:
    supervisor = world.start_process("supervisor", {"worker.processes": "2"})
    try:
        await all_judge(supervisor)
        workers = children(supervisor)
        supervisor.kill()
        await gone(workers)
    finally:
        supervisor.kill()


async def test_a_refusal_ends_all_with_its_sentence(world: World) -> None:
    supervisor = world.start_process("supervisor", {"worker.processes": "2", "topics.alerts": "nowhere"})
    try:
        assert await supervisor.wait() == EXIT_CODE_REFUSED
        last = supervisor.log.read_text().splitlines()[-1]
        assert re.match(r"fraudstream: worker \d cannot run: .* has no topic 'nowhere'\. Create the topics", last)
    finally:
        supervisor.kill()


async def test_a_worker_that_does_not_end_in_time_is_killed_and_that_is_said(world: World) -> None:
    supervisor = world.start_process("supervisor", {"worker.processes": "2"})
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


async def test_a_process_that_says_that_a_restart_would_help_is_started_again(tmp_path: Path) -> None:
    reported: list[str] = []
    command = ["tests.integration.stream.sick_process", str(tmp_path / "mark")]
    process = CommandProcess("sick", command, os.environ, report=reported.append)
    urls = {""}
    tasks = [asyncio.create_task(process.run()), asyncio.create_task(restart_when_unhealthy(process, 0.1, WAIT_S))]
    try:
        async with asyncio.timeout(WAIT_S):
            while len({*urls, process.status.metrics_url}) < 3:  # none, that of its first life, that of its second
                urls.add(process.status.metrics_url)
                await asyncio.sleep(0.05)
        assert reported == ["sick was killed by SIGTERM, restarting in 0.5 s"]
    finally:
        await process.stop(WAIT_S)
        for task in tasks:
            task.cancel()


@pytest.mark.kafka
async def test_a_restart_within_the_session_moves_no_partition(kafka_world: World) -> None:
    supervisor = kafka_world.start_process(
        "supervisor",
        {"worker.processes": "2", "worker.group_instance_id": "shop", "worker.session_timeout_s": "20"},
    )
    try:
        await all_judge(supervisor)
        before = taken(supervisor.log)
        os.kill(children(supervisor)[0], signal.SIGKILL)
        await supervisor.says("restarting in")
        await kafka_world.publish(range(100))
        await kafka_world.decisions(100)
        after = taken(supervisor.log)
        (again,) = after - before  # one line more: the one that was killed has its partitions again
        assert before[again] == 1
        await supervisor.stop()
    finally:
        supervisor.kill()


async def all_judge(supervisor: Process) -> None:
    """Both workers have two of the four partitions."""
    async with asyncio.timeout(WAIT_S):
        while True:
            held = dict(re.findall(r"^(worker \d): .* judging partitions \[(.*)\]$", supervisor.log.read_text(), re.M))
            if (
                sorted(part for parts in held.values() for part in parts.split(", ")) == ["0", "1", "2", "3"]
                and len(held) == 2
            ):
                return
            await asyncio.sleep(0.05)


def taken(log: Path) -> Counter[str]:
    """Which worker took which partitions, how often."""
    return Counter(
        f"{worker} {parts}" for worker, parts in re.findall(r"^(worker \d): .* judging (.*)$", log.read_text(), re.M)
    )


def children(supervisor: Process) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text().split()]


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(WAIT_S):
        while any(os.path.exists(f"/proc/{pid}") for pid in pids):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.05)
