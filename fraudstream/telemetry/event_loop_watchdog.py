"""Whether the event loop still runs: a task in it sets a time once a second, another thread reads how long ago that
was."""

import asyncio
import time

INTERVAL_S = 1.0


class EventLoopWatchdog:
    """Watches the event loop in which it is started."""

    def __init__(self) -> None:
        """Not started."""
        self._ran_at_s: float | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Watch the running event loop from now on."""
        self._ran_at_s = time.monotonic()
        self._task = asyncio.create_task(self._run_periodically())

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._ran_at_s = self._task = None

    def stalled_s(self) -> float:
        """Seconds since the event loop last ran the task; 0 before `start` and after `stop`. From any thread."""
        ran_at_s = self._ran_at_s
        return time.monotonic() - ran_at_s if ran_at_s is not None else 0.0

    async def _run_periodically(self) -> None:
        while True:
            self._ran_at_s = time.monotonic()
            await asyncio.sleep(INTERVAL_S)
