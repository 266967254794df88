"""Workers and the case processor as child processes that are restarted when they exit, as by systemd or Kubernetes.

They are killed when this process dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from benchmarks.chaos.fault_points import Orders
from fraudstream.supervision.exit_codes import REFUSED
from fraudstream.supervision.parent_death import with_parent_death_signal

RESTART_S: Final = 0.5
POLL_S: Final = 0.02
STOP_S: Final = 60.0
STARTS_MAX: Final = 60  # of one process: more is a crash loop
LOG_SHOWN_BYTES: Final = 4_000


class Exit(NamedTuple):
    """An exit. `code`: negative for a signal. `asked`: after a graceful stop. `at_s`: by `time.time()`."""

    at_s: float
    code: int
    asked: bool


class Process:
    """A command that is kept running once started. `log`: file of its output."""

    def __init__(self, name: str, command: list[str], directory: Path) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self.exits: list[Exit] = []
        self.starts = 0
        self._orders = directory / f"{name}.orders"
        self._command = with_parent_death_signal(
            [sys.executable, "-m", "benchmarks.chaos.fault_points", str(self._orders), *command]
        )
        self._wanted = False
        self._again_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id. It must run."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    def start(self) -> None:
        """Start it and keep it running."""
        self._wanted = True
        if not self.running:
            self._start()

    def poll_exit(self) -> None:
        """Record an exit, and restart when due. Raises `RuntimeError` if it refused to run or is in a crash loop."""
        if self._process is not None and (code := self._process.poll()) is not None:
            self._process = None
            self.exits.append(Exit(time.time(), code, asked=not self._wanted))
            self._again_at = time.monotonic() + RESTART_S
            if code == REFUSED:
                raise RuntimeError(f"{self.name} refused to run:\n{self.log_tail()}")
        if self._wanted and self._process is None and time.monotonic() >= self._again_at:
            self._start()

    def order(self, orders: Orders) -> None:
        """Write its orders and signal it to read them."""
        orders.write(self._orders)
        self._signal(signal.SIGUSR1)

    def ordered(self, point: str) -> bool:
        """Whether the order to die at this point is still pending."""
        return msgspec.json.decode(self._orders.read_bytes(), type=Orders).point == point

    def kill(self) -> None:
        """Send SIGKILL; it will be restarted."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Send SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT."""
        self._signal(signal.SIGCONT)

    async def stop(self) -> int | None:
        """Send SIGTERM and do not restart it. Returns the exit code, None if it was not running."""
        self._wanted = False
        if not self.running:
            return None
        count = len(self.exits)
        self._signal(signal.SIGTERM)
        limit = time.monotonic() + STOP_S
        while len(self.exits) == count:
            self.poll_exit()
            if time.monotonic() > limit:
                self.end()
                raise RuntimeError(f"{self.name} did not stop within {STOP_S:g} s:\n{self.log_tail()}")
            await asyncio.sleep(POLL_S)
        return self.exits[-1].code

    def end(self) -> None:
        """Kill it and do not restart it."""
        self._wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.poll_exit()

    def log_count(self, words: str) -> int:
        """Number of occurrences of a text in its log."""
        return self.log.read_text(errors="replace").count(words)

    def log_tail(self) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-LOG_SHOWN_BYTES:].decode(errors="replace")

    def _start(self) -> None:
        self.starts += 1
        if self.starts > STARTS_MAX:
            raise RuntimeError(f"{self.name} was started {STARTS_MAX} times:\n{self.log_tail()}")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, env=os.environ, preexec_fn=_ignore_order_signal
            )

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)


class Supervisor:
    """Context manager that restarts the processes and kills them at its end. `failure`: why it gave up."""

    def __init__(self, processes: list[Process]) -> None:
        self.processes = processes
        self.failure: RuntimeError | None = None

    async def __aenter__(self) -> Supervisor:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        for process in self.processes:
            process.resume()
            process.end()

    def check(self) -> None:
        """Raise the failure of a process that cannot be restarted."""
        if self.failure is not None:
            raise self.failure

    async def _run(self) -> None:
        while True:
            try:
                for process in self.processes:
                    process.poll_exit()
            except RuntimeError as failure:
                self.failure = failure
                return
            await asyncio.sleep(POLL_S)


def _ignore_order_signal() -> None:
    """Ignore SIGUSR1 until the process has installed its handler; it then reads pending orders."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
