"""Whether the event loop still turns: a service that takes its pulse once a second, to be asked from another thread."""

import time

from mode import Service

BEAT_S = 1.0


class EventLoopWatchdog(Service):
    """Start it in the event loop that is to be watched."""

    mundane_level = "debug"  # that it starts and stops is no news

    def __init__(self) -> None:
        super().__init__()
        self._beaten_at: float | None = None

    def stalled_s(self) -> float:
        """Seconds since the event loop last turned; 0 before the pulse started and after it stopped."""
        beaten_at = self._beaten_at
        return time.monotonic() - beaten_at if beaten_at is not None else 0.0

    @Service.task
    async def _beat(self) -> None:
        while not self.should_stop:
            self._beaten_at = time.monotonic()
            await self.sleep(BEAT_S)

    async def on_stop(self) -> None:
        self._beaten_at = None
