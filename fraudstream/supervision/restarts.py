"""Restarts child processes that exit, with exponential back-off, and stops them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from fraudstream.supervision.process import ChildProcess, exit_description


class RestartPolicy(NamedTuple):
    """When a process is restarted.

    `back_off_s`: pause before the first restart, doubled with each quick exit up to `back_off_s_max`. An exit is quick
    if the process ran for less than `quick_s`. `quick_exits_max`: more of them in a row end the supervision; None: no
    limit.
    """

    back_off_s: float = 0.5
    back_off_s_max: float = 8.0
    quick_s: float = 20.0
    quick_exits_max: int | None = None

    def pause_s(self, quick_exits: int) -> float:
        """Pause before the restart after so many quick exits in a row, in seconds.

        >>> [RestartPolicy().pause_s(exits) for exits in (1, 2, 3, 4, 5, 6)]
        [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
        """
        return float(min(self.back_off_s * 2 ** (quick_exits - 1), self.back_off_s_max))


class Restart(NamedTuple):
    """A restart that is due: how the process ended, its exit code, its last line of output, the pause in seconds."""

    how: str
    code: int
    last_line: str
    pause_s: float


class SupervisionError(Exception):
    """A process cannot be kept running. `name`: the process; `code`: its last exit code; `last_line`: of its output."""

    def __init__(self, sentence: str, name: str, code: int, last_line: str) -> None:
        super().__init__(sentence)
        self.name, self.code, self.last_line = name, code, last_line


class PermanentExitError(SupervisionError):
    """The process exited in a way that a restart cannot fix."""


class QuickExitsError(SupervisionError):
    """The process exited too often in a row, each time soon after its start. `exits`: how often."""

    def __init__(self, name: str, code: int, last_line: str, exits: int) -> None:
        super().__init__(f"{name} exited {exits} times in a row", name, code, last_line)
        self.exits = exits


class RestartedProcess:
    """Keeps a child process running.

    `is_permanent`: whether an exit, by its code and last line of output, cannot be fixed by a restart. `on_restart`:
    called before each pause.
    """

    def __init__(
        self,
        process: ChildProcess,
        is_permanent: Callable[[int, str], bool],
        on_restart: Callable[[Restart], None],
        policy: RestartPolicy | None = None,
    ) -> None:
        self.process = process
        self._is_permanent, self._on_restart, self._policy = is_permanent, on_restart, policy or RestartPolicy()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start the process, and restart it whenever it exits, until `stop`.

        Raises `PermanentExitError`, `QuickExitsError`.
        """
        process, policy, quick_exits = self.process, self._policy, 0
        while not self._stopping.is_set():
            process.start()
            code = await process.wait()
            if self._stopping.is_set():
                return
            how, last_line = exit_description(code), process.last_line()
            if self._is_permanent(code, last_line):
                raise PermanentExitError(f"{process.name} {how}", process.name, code, last_line)
            is_quick = time.monotonic() - process.started_at_s < policy.quick_s
            quick_exits = quick_exits + 1 if is_quick else 1
            if policy.quick_exits_max is not None and quick_exits > policy.quick_exits_max:
                raise QuickExitsError(process.name, code, last_line, quick_exits)
            pause_s = policy.pause_s(quick_exits)
            self._on_restart(Restart(how, code, last_line, pause_s))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def stop(self, timeout_s: float) -> int:
        """End the restarts and stop the process as `ChildProcess.stop` does, with its result."""
        self._stopping.set()
        return await self.process.stop(timeout_s)


class Stoppable(Protocol):
    """A process that stops within a time limit, such as `RestartedProcess`."""

    async def stop(self, timeout_s: float) -> int:
        """Stop it; the result as that of `ChildProcess.stop`."""


async def stop_together(processes: Sequence[Stoppable], timeout_s: float) -> list[int]:
    """Stop processes at the same time; their results in order. Call it once for each group that stops after another."""
    return await asyncio.gather(*(process.stop(timeout_s) for process in processes))
