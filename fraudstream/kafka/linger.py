"""A least time between batches, so that records which come one by one are worked on together.

Most of what a small batch costs does not depend on its size: requests to brokers, wake-ups, turns of event loops.
Kafka's own producer lingers for 5 ms for that reason (KIP-1030). Here a batch waits only if one has just begun:

    record      r                    r r  r   r
    batch       b                    b    b    b
                │◄── no wait: ──────►│◄──►│◄──►│
                     quiet before      interval
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Linger:
    """Keeps batches `interval_s` seconds apart. `now_s`: the clock, monotonic. `sleep`: waits so many seconds."""

    def __init__(
        self,
        interval_s: float,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._interval_s, self._now_s, self._sleep = interval_s, now_s, sleep
        self._next_s = now_s()

    async def wait(self) -> None:
        """Return when the next batch may begin: at once if the one before began `interval_s` ago."""
        wait_s = self._next_s - self._now_s()
        if wait_s > 0:
            await self._sleep(wait_s)

    def begin(self) -> None:
        """A batch begins."""
        self._next_s = self._now_s() + self._interval_s
