"""A command as a child process: signals, its exit code, and waiting for what it logs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

WAIT_S: Final = 90.0  # deadline of every wait


class ChildProcess:
    """`command`, started; its stdout and stderr are appended to `log`."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        """`environment`: added to ours."""
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env=os.environ | dict(environment or {})
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, then wait for its end. Harmless if it has ended."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self._process.send_signal(signal.SIGCONT)

    async def stop(self, *codes: int) -> None:
        """SIGTERM, then assert that it exits with one of `codes`, or with 0 if none are given."""
        self._process.terminate()
        assert await self.wait() in (codes or (0,)), f"{self.log}:\n{self.log.read_text()}"

    async def wait(self) -> int:
        """Its exit code, once it has ended. Raises `TimeoutError` after `WAIT_S`."""
        async with asyncio.timeout(WAIT_S):
            while (code := self._process.poll()) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return code

    async def logs(self, text: str, times: int = 1) -> None:
        """Wait until its log contains `text` so many times. Fails if it ends first, or after `WAIT_S`."""
        limit = time.monotonic() + WAIT_S
        while self.log.read_text().count(text) < times:
            assert time.monotonic() < limit, f"{self.log} lacks '{text}' ({times} times):\n{self.log.read_text()}"
            assert self._process.poll() is None, f"{self.log}:\n{self.log.read_text()}"
            await asyncio.sleep(0.05)
