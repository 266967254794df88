"""Payments on their way: published, not yet decided. Each decision finds its payment here, and so its latency.

A decision whose payment is not here comes a second time, as after a worker's crash: it is no news.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

WAITING_MAX: Final = 50_000  # publishing waits beyond that, so that memory has a bound


class InFlightPayments:
    """`timed`: whether the latency of what departs now says something: not of the past, published in one go."""

    def __init__(self) -> None:
        self.timed = False
        self._departed: dict[str, float | None] = {}  # event_id: seconds of the monotonic clock, if timed
        self._again: Counter[str] = Counter()  # ids published once more while they were here
        self._fewer = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._departed) + self._again.total()

    def depart(self, event_ids: Sequence[str]) -> None:
        """These payments are handed to the broker now."""
        at = time.monotonic() if self.timed else None
        for event_id in event_ids:
            if event_id in self._departed:
                self._again[event_id] += 1
            else:
                self._departed[event_id] = at

    async def arrive(self, event_ids: Sequence[str]) -> tuple[int, list[float]]:
        """These decisions came: how many of them are news, and the latencies in ms of those that were timed."""
        now = time.monotonic()
        count, latencies_ms = 0, []
        for event_id in event_ids:
            if event_id not in self._departed:
                continue
            count += 1
            if self._again[event_id] > 0:
                self._again[event_id] -= 1
                continue
            del self._again[event_id]
            departed = self._departed.pop(event_id)
            if departed is not None:
                latencies_ms.append((now - departed) * 1000)
        async with self._fewer:
            self._fewer.notify_all()
        return count, latencies_ms

    async def until_fewer_than(self, count: int) -> None:
        async with self._fewer:
            await self._fewer.wait_for(lambda: len(self) < count)
