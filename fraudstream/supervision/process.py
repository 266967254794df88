"""A child process: started, waited for, stopped, killed after a time limit; it dies with this process.

It has a session of its own: Ctrl-C in a terminal signals this process alone, which then stops its children in order.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from typing import IO, Final

from fraudstream.supervision.parent_death import MODE, with_parent_death_signal

POLL_S: Final = 0.02
LINES_KEPT: Final = 50
LAST_LINES_S_MAX: Final = 2.0  # to read the last lines of a process that has exited


class ChildProcess:
    """A command that can be started, again and again; its output is read line by line in a thread.

    `name`: for messages. `command`: its first word is an absolute path. `environment`: all of the child's environment.
    `on_line`: called in that thread with each line of stdout and stderr. `on_start`: called at each start.
    `parent_death_mode`: see `with_parent_death_signal`, which also requires `start` to be called in the main thread.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        on_line: Callable[[bytes], None] | None = None,
        on_start: Callable[[], None] | None = None,
        parent_death_mode: str = MODE,
    ) -> None:
        self.name = name
        self.started_at_s = 0.0  # monotonic clock
        self._command, self._environment = command, environment
        self._on_line, self._on_start, self._parent_death_mode = on_line, on_start, parent_death_mode
        self._popen: subprocess.Popen[bytes] | None = None
        self._reader = Thread()
        self._lines: deque[bytes] = deque(maxlen=LINES_KEPT)  # since the last start

    @property
    def pid(self) -> int:
        """Process id of the last start."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not exited."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start the command. Raises `OSError`."""
        assert not self.running, f"{self.name} is running"
        self._popen = subprocess.Popen(
            with_parent_death_signal(self._command, self._parent_death_mode),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self._environment),
            start_new_session=True,
        )
        self.started_at_s = time.monotonic()
        self._lines = deque(maxlen=LINES_KEPT)
        if self._on_start is not None:
            self._on_start()
        assert self._popen.stdout is not None
        self._reader = Thread(target=self._read_lines, args=(self._popen.stdout, self._lines), daemon=True)
        self._reader.start()

    def _read_lines(self, output: IO[bytes], lines: deque[bytes]) -> None:
        with output:
            for line in output:
                lines.append(line)
                if self._on_line is not None:
                    self._on_line(line)

    def wait_until_ready(self, is_ready: Callable[[], bool], timeout_s: float) -> bool:
        """Block until `is_ready` is true; False if the process exits first, or after `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s and self.running:
            if is_ready():
                return True
            time.sleep(POLL_S)
        return False

    async def wait(self) -> int:
        """Wait until the process exits. Its exit code, or minus the number of the signal that killed it."""
        while True:
            code = self._started().poll()
            if code is not None:
                await asyncio.to_thread(self._reader.join, LAST_LINES_S_MAX)
                return code
            await asyncio.sleep(POLL_S)

    async def stop(self, timeout_s: float) -> int:
        """Send SIGTERM, and SIGKILL after `timeout_s`. The result as that of `wait`; 0 if it was not running."""
        if not self.running:
            return 0
        self._started().terminate()
        try:
            return await asyncio.wait_for(self.wait(), timeout_s)
        except TimeoutError:
            self.kill()
            return -signal.SIGKILL

    def stop_blocking(self, timeout_s: float) -> int:
        """As `stop`, for callers without an event loop."""
        if not self.running:
            return 0
        process = self._started()
        process.terminate()
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            code = -signal.SIGKILL
        self._reader.join(LAST_LINES_S_MAX)
        return code

    def kill(self) -> None:
        """Send SIGKILL and wait for the exit. No effect if it is not running."""
        if self.running:
            process = self._started()
            process.kill()
            process.wait()

    def text(self) -> str:
        """The newest `LINES_KEPT` lines of output since the last start."""
        return b"".join(list(self._lines)).decode(errors="replace").strip()

    def last_line(self) -> str:
        """The last line of output since the last start; empty if there is none."""
        return self.text().rpartition("\n")[2].strip()

    def _started(self) -> subprocess.Popen[bytes]:
        assert self._popen is not None, f"{self.name} was not started"
        return self._popen


def exit_description(code: int) -> str:
    """How a process ended, in words; `code` as `ChildProcess.wait` returns it.

    >>> exit_description(-9), exit_description(70)
    ('was killed by SIGKILL', 'exited with code 70')
    """
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
