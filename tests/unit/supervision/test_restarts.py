"""Processes are restarted with growing pauses, until a restart cannot help. The process is a stand-in."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from fraudstream.supervision.restarts import (
    PermanentExitError,
    QuickExitsError,
    Restart,
    RestartedProcess,
    RestartPolicy,
    stop_together,
)

NO_PAUSE = RestartPolicy(back_off_s=0.001, back_off_s_max=0.004)
STOPPED = -signal.SIGTERM


class FakeProcess:
    """Exits at once with each of `codes`, then runs until it is stopped."""

    name = "worker 1"

    def __init__(self, codes: Sequence[int] = (), last_line: str = "") -> None:
        self.codes, self.line = list(codes), last_line
        self.started_at_s, self.starts = 0.0, 0
        self.stopped = asyncio.Event()
        self.started_last = asyncio.Event()

    def start(self) -> None:
        self.started_at_s = time.monotonic()
        self.starts += 1
        if not self.codes:
            self.started_last.set()

    async def wait(self) -> int:
        if self.codes:
            return self.codes.pop(0)
        await self.stopped.wait()
        return STOPPED

    async def stop(self, timeout_s: float) -> int:
        self.stopped.set()
        return STOPPED

    def last_line(self) -> str:
        return self.line


def restarted(
    process: FakeProcess, policy: RestartPolicy = NO_PAUSE, permanent_code: int = 78
) -> tuple[RestartedProcess, list[Restart]]:
    restarts: list[Restart] = []
    kept = RestartedProcess(cast(Any, process), lambda code, line: code == permanent_code, restarts.append, policy)
    return kept, restarts


async def test_a_process_that_exits_is_restarted_with_growing_pauses_until_it_is_stopped() -> None:
    process = FakeProcess([1, -9, 70, 70], "out of luck")
    kept, restarts = restarted(process)
    running = asyncio.create_task(kept.run())
    await asyncio.wait_for(process.started_last.wait(), 10)
    assert await kept.stop(1) == STOPPED
    await asyncio.wait_for(running, 10)
    assert process.starts == 5
    assert [restart.pause_s for restart in restarts] == [0.001, 0.002, 0.004, 0.004]
    assert restarts[:2] == [
        Restart("exited with code 1", 1, "out of luck", 0.001),
        Restart("was killed by SIGKILL", -9, "out of luck", 0.002),
    ]


async def test_after_a_long_run_the_pause_is_the_first_again() -> None:
    process = FakeProcess([1, 1, 1])
    kept, restarts = restarted(process, NO_PAUSE._replace(quick_s=0.0))
    running = asyncio.create_task(kept.run())
    await asyncio.wait_for(process.started_last.wait(), 10)
    await kept.stop(1)
    await running
    assert [restart.pause_s for restart in restarts] == [0.001, 0.001, 0.001]


async def test_a_permanent_exit_ends_the_restarts_with_its_facts() -> None:
    process = FakeProcess([1, 78], "no such topic")
    kept, restarts = restarted(process)
    with pytest.raises(PermanentExitError) as ended:
        await kept.run()
    assert (ended.value.name, ended.value.code, ended.value.last_line) == ("worker 1", 78, "no such topic")
    assert (process.starts, len(restarts)) == (2, 1)


async def test_too_many_quick_exits_end_the_restarts() -> None:
    process = FakeProcess([1] * 10)
    kept, restarts = restarted(process, NO_PAUSE._replace(quick_exits_max=3))
    with pytest.raises(QuickExitsError, match="worker 1 exited 4 times in a row") as ended:
        await kept.run()
    assert (ended.value.exits, len(restarts)) == (4, 3)


async def test_a_stop_during_the_pause_ends_the_restarts_at_once() -> None:
    process = FakeProcess([1])
    kept, restarts = restarted(process, RestartPolicy(back_off_s=600, back_off_s_max=600))
    running = asyncio.create_task(kept.run())
    while not restarts:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await kept.stop(1)
    await asyncio.wait_for(running, 10)
    assert process.starts == 1


async def test_a_group_stops_together_with_results_in_order() -> None:
    assert await stop_together([FakeProcess(), FakeProcess()], 1) == [STOPPED, STOPPED]
