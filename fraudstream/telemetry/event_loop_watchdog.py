"""Whether the event loop still runs: a task in it sets a time once a second, another thread asks how long ago."""

import asyncio
import time

BEAT_S = 1.0


class EventLoopWatchdog:
    """Watches the event loop in which it is started."""

    def __init__(self) -> None:
        """Not started."""
        self._beaten_at: float | None = None
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Watch the running event loop from now on."""
        self._beaten_at = time.monotonic()
        self._beating = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Watch no longer."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
        self._beaten_at = self._beating = None

    def stalled_s(self) -> float:
        """Seconds since the event loop last ran the task; 0 before `start` and after `stop`. From any thread."""
        beaten_at = self._beaten_at
        return time.monotonic() - beaten_at if beaten_at is not None else 0.0

    async def _beat(self) -> None:
        while True:
            self._beaten_at = time.monotonic()
            await asyncio.sleep(BEAT_S)
