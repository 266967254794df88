"""A command of ours as a process of its own: tied to us, its log kept aside, started again when it dies.

It has a session of its own, so Ctrl-C in the terminal reaches `up` alone, which then stops all in order.
"""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from fraudstream.board.run_state import Process
from fraudstream.cli.failure import Failure
from fraudstream.embedded import tethered

POLL_S: Final = 0.05
BACK_OFF_S: Final = 0.5  # doubled with each quick death
BACK_OFF_S_MAX: Final = 8.0
QUICK_S: Final = 20.0  # who lived longer died of something else
QUICK_DEATHS_MAX: Final = 5
REFUSED: Final = 78  # to start it again changes nothing: fraudstream worker --help
FAILURE_PREFIX: Final = "fraudstream: "  # how cli.main tells a fault that is no accident
WORDS_BYTES_MAX: Final = 4_096

_METRICS = re.compile(rb"metrics at (http://\S+)/metrics")


class Child:
    """`process`: what the board shows of it. Must be started in the main thread (`tethered`)."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.process = Process(name)
        self.started_at = 0.0
        self._command, self._environment, self._log = command, environment, log
        self._stopping = asyncio.Event()
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.process.name

    def start(self) -> None:
        with self._log.open("wb") as log:  # of this life alone: what the last one said was told when it ended
            self._popen = subprocess.Popen(
                tethered([sys.executable, "-m", *self._command]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self._environment),
                start_new_session=True,
            )
        self.started_at = time.monotonic()
        self.process.status, self.process.detail, self.process.metrics_url = "starting", "", ""

    async def ended(self) -> int:
        """The exit code, once there is one; negative: the signal that killed it."""
        assert self._popen is not None, f"{self.name} was not started"
        while True:
            code = self._popen.poll()
            if code is not None:
                return code
            await asyncio.sleep(POLL_S)

    async def keep(self, tell: Callable[[str], None]) -> None:
        """Start it again whenever it dies, ever later. Raises `Failure` where that would be in vain."""
        quick_deaths = 0
        while not self._stopping.is_set():
            self.start()
            code = await self.ended()
            if self._stopping.is_set():
                return
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            words = self.last_words()
            if code == REFUSED or words.startswith(FAILURE_PREFIX):
                raise Failure(f"{self.name} can't go on: {words.removeprefix(FAILURE_PREFIX)}")
            quick_deaths = quick_deaths + 1 if time.monotonic() - self.started_at < QUICK_S else 1
            if quick_deaths > QUICK_DEATHS_MAX:
                raise Failure(f"{self.name} died {quick_deaths} times in a row. It {how} last: {words}")
            pause_s = min(BACK_OFF_S * 2 ** (quick_deaths - 1), BACK_OFF_S_MAX)
            self.process.status, self.process.detail = "restarting", how
            said = f": {words}" if words and code > 0 else ""
            tell(f"{self.name} {how}, starts again in {pause_s:g} s{said}")
            await asyncio.sleep(pause_s)

    async def stop(self, timeout_s: float) -> None:
        """Ask it to end; kill it if it has not after `timeout_s`."""
        self._stopping.set()
        if self._popen is None or self._popen.poll() is not None:
            return
        self._popen.terminate()
        try:
            await asyncio.wait_for(self.ended(), timeout_s)
        except TimeoutError:
            self.kill()
        self.process.status, self.process.detail = "stopped", ""

    def kill(self) -> None:
        if self._popen is not None and self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()

    def metrics_url(self) -> str | None:
        """Where it serves its metrics (any free port), as its log says, once it does."""
        if not self.process.metrics_url and self._log.exists():
            found = _METRICS.search(self._log.read_bytes()[:WORDS_BYTES_MAX])
            if found:
                self.process.metrics_url = found[1].decode()
        return self.process.metrics_url or None

    def log_text(self) -> str:
        return self._log.read_text(errors="replace").strip()

    def last_words(self) -> str:
        """The last line of its log."""
        with self._log.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - WORDS_BYTES_MAX))
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""
