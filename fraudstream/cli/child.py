"""A command of ours as a process of its own: tied to us, heard by us, started again when it dies.

It has a session of its own, so Ctrl-C in the terminal reaches us alone, who then stop all in order.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import IO, Final

import msgspec

from fraudstream.board.run_state import Process
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import ENVIRONMENT_PREFIX, SECTIONS, Settings
from fraudstream.supervision.parent_death import with_parent_death_signal

POLL_S: Final = 0.05
BACK_OFF_S: Final = 0.5  # doubled with each quick death
BACK_OFF_S_MAX: Final = 8.0
QUICK_S: Final = 20.0  # who lived longer died of something else
QUICK_DEATHS_MAX: Final = 5  # where somebody watches: more is no accident
REFUSED: Final = 78  # to start it again changes nothing: fraudstream worker --help
FAILURE_PREFIX: Final = "fraudstream: "  # how cli.main tells a fault that is no accident
LINES_KEPT: Final = 50
HEARD_S_MAX: Final = 2.0  # for the last lines of a process that ended

_METRICS = re.compile(rb"metrics at (http://\S+)/metrics")


class Child:
    """`python -m command` with just this environment. `hear` is called with each line that it writes, in a thread.

    `process`: what the board shows of it. Must be started in the main thread (`with_parent_death_signal`).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        hear: Callable[[bytes], None] | None = None,
    ) -> None:
        self.process = Process(name)
        self.started_at = 0.0
        self._command, self._environment, self._hear = command, environment, hear
        self._stopping = asyncio.Event()
        self._popen: subprocess.Popen[bytes] | None = None
        self._listener = Thread()
        self._lines: deque[bytes] = deque(maxlen=LINES_KEPT)  # of this life

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def pid(self) -> int:
        assert self._popen is not None, f"{self.name} was not started"
        return self._popen.pid

    def start(self) -> None:
        self._popen = subprocess.Popen(
            with_parent_death_signal([sys.executable, "-m", *self._command]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self._environment),
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        self.process.status, self.process.detail, self.process.metrics_url = "starting", "", ""
        self._lines = deque(maxlen=LINES_KEPT)
        assert self._popen.stdout is not None
        self._listener = Thread(target=self._listen, args=(self._popen.stdout, self._lines), daemon=True)
        self._listener.start()

    def _listen(self, output: IO[bytes], lines: deque[bytes]) -> None:
        with output:
            for line in output:
                lines.append(line)
                if found := _METRICS.search(line):
                    self.process.metrics_url = found[1].decode()
                if self._hear is not None:
                    self._hear(line)

    async def ended(self) -> int:
        """The exit code, once there is one; negative: the signal that killed it."""
        assert self._popen is not None, f"{self.name} was not started"
        while True:
            code = self._popen.poll()
            if code is not None:
                await asyncio.to_thread(self._listener.join, HEARD_S_MAX)
                return code
            await asyncio.sleep(POLL_S)

    async def keep(self, tell: Callable[[str], None], quick_deaths_max: int | None = None) -> None:
        """Start it again whenever it dies, ever later, until `stop`. Raises `Failure` where that would be in vain."""
        quick_deaths = 0
        while not self._stopping.is_set():
            self.start()
            code = await self.ended()
            if self._stopping.is_set():
                return
            how = how_ended(code)
            words = self.last_words()
            if code == REFUSED or words.startswith(FAILURE_PREFIX):
                raise Failure(f"{self.name} can't go on: {words.removeprefix(FAILURE_PREFIX)}", max(code, 1))
            quick_deaths = quick_deaths + 1 if time.monotonic() - self.started_at < QUICK_S else 1
            if quick_deaths_max is not None and quick_deaths > quick_deaths_max:
                raise Failure(f"{self.name} died {quick_deaths} times in a row. It {how} last: {words}")
            pause_s = min(BACK_OFF_S * 2 ** (quick_deaths - 1), BACK_OFF_S_MAX)
            self.process.status, self.process.detail = "restarting", how
            said = f": {words}" if words and code > 0 else ""
            tell(f"{self.name} {how}, starts again in {pause_s:g} s{said}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def stop(self, timeout_s: float) -> int:
        """`end` it, and start it no more."""
        self._stopping.set()
        code = await self.end(timeout_s)
        self.process.status, self.process.detail = "stopped", ""
        return code

    async def end(self, timeout_s: float) -> int:
        """Ask it to end, kill it if it has not after `timeout_s`. How it ended then: its exit code, or less the
        signal that killed it; 0 if it had ended before."""
        if self._popen is None or self._popen.poll() is not None:
            return 0
        self._popen.terminate()
        try:
            return await asyncio.wait_for(self.ended(), timeout_s)
        except TimeoutError:
            self.kill()
            return -signal.SIGKILL

    def kill(self) -> None:
        if self._popen is not None and self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()

    def text(self) -> str:
        """The newest lines that it wrote in this life."""
        return b"".join(self._lines).decode(errors="replace").strip()

    def last_words(self) -> str:
        """The last line of them."""
        return self.text().rpartition("\n")[2].strip()


def how_ended(code: int) -> str:
    """
    >>> how_ended(-9), how_ended(70)
    ('was killed by SIGKILL', 'ended with code 70')
    """
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def command_of(*words: str) -> list[str]:
    """A command of ours for `Child`, which hears of its settings from its environment alone (`environment_of`)."""
    return ["fraudstream.cli.main", "--config", os.devnull, *words]


def environment_of(settings: Settings) -> dict[str, str]:
    """Our environment with every setting in force as a variable."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    for section in SECTIONS:
        for name, value in msgspec.structs.asdict(getattr(settings, section)).items():
            if value is not None:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                environment[f"{ENVIRONMENT_PREFIX}{section}_{name}".upper()] = text
    return environment | {"PYTHONUNBUFFERED": "1"}
