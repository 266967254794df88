"""Detects a blocked event loop: a service that runs in it once a second and can be asked from another thread."""

import time

from mode import Service

INTERVAL_S = 1.0


class EventLoopWatchdog(Service):
    """Start it in the event loop that it is to watch."""

    mundane_level = "debug"  # mode logs start and stop at this level

    def __init__(self) -> None:
        super().__init__()
        self._ran_at_s: float | None = None

    def stalled_s(self) -> float:
        """Seconds since the event loop last ran this service; 0 before it starts and after it stops."""
        ran_at_s = self._ran_at_s
        return time.monotonic() - ran_at_s if ran_at_s is not None else 0.0

    @Service.task
    async def _run_periodically(self) -> None:
        while not self.should_stop:
            self._ran_at_s = time.monotonic()
            await self.sleep(INTERVAL_S)

    async def on_stop(self) -> None:
        """Stop measuring."""
        self._ran_at_s = None
