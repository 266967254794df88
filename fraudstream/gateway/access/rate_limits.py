"""How many payments a client may send a second: a token bucket for each client."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

BURST_S: Final = 2.0


class RateLimits:
    """`now_s`: the clock, monotonic."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens at a time

    def take(self, name: str, per_second: int, count: int) -> int:
        """Count `count` payments of a client; returns after how many seconds they are allowed, 0 if they are now. More
        than a burst has are allowed when the bucket is full.

        >>> limits = RateLimits(lambda: 0.0)
        >>> [limits.take("checkout", 1, 1) for _ in range(3)]
        [0, 0, 1]
        """
        now_s, most = self._now_s(), per_second * BURST_S
        tokens, at_s = self._buckets.get(name, (most, now_s))
        tokens = min(most, tokens + (now_s - at_s) * per_second)
        needed = min(float(count), most)
        if tokens < needed:
            self._buckets[name] = (tokens, now_s)
            return max(1, math.ceil((needed - tokens) / per_second))
        self._buckets[name] = (tokens - count, now_s)
        return 0
