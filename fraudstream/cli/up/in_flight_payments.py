"""Payments in flight: published and not yet decided. A decision removes its payment here, which gives the latency.

A decision whose payment is not in flight is a repeat, as after a worker's crash, and does not count.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

IN_FLIGHT_MAX: Final = 50_000  # beyond that publishing waits, so that RAM use is limited


class InFlightPayments:
    """The payments in flight, by event id. `timed`: whether to measure the latency of payments published from now on;
    that of history published at full speed says nothing."""

    def __init__(self) -> None:
        self.timed = False
        self._published: dict[str, float | None] = {}  # event_id: monotonic time in seconds, None if not timed
        self._repeated: Counter[str] = Counter()  # ids that were published again while in flight
        self._fewer = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._published) + self._repeated.total()

    def published(self, event_ids: Sequence[str]) -> None:
        """These payments are passed to the broker now."""
        at_s = time.monotonic() if self.timed else None
        for event_id in event_ids:
            if event_id in self._published:
                self._repeated[event_id] += 1
            else:
                self._published[event_id] = at_s

    async def decided(self, event_ids: Sequence[str]) -> tuple[int, list[float]]:
        """These payments were decided: how many of them were in flight, and the latencies in ms of those that are
        timed."""
        now_s = time.monotonic()
        count, latencies_ms = 0, []
        for event_id in event_ids:
            if event_id not in self._published:
                continue
            count += 1
            if self._repeated[event_id] > 0:
                self._repeated[event_id] -= 1
                continue
            del self._repeated[event_id]
            published_at_s = self._published.pop(event_id)
            if published_at_s is not None:
                latencies_ms.append((now_s - published_at_s) * 1000)
        async with self._fewer:
            self._fewer.notify_all()
        return count, latencies_ms

    async def until_fewer_than(self, count: int) -> None:
        """Wait until fewer than `count` payments are in flight."""
        async with self._fewer:
            await self._fewer.wait_for(lambda: len(self) < count)
