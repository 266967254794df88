"""Decisions that a caller may ask for later, in memory: bounded in number and in time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

Key = tuple[bytes, str]  # the client, as in its correlation ids, and the event_id


class KeptDecisions:
    """Keeps the newest `count_max` decisions for `kept_s` seconds. `now_s`: the clock, monotonic."""

    def __init__(self, count_max: int, kept_s: float, now_s: Callable[[], float]) -> None:
        self._count_max, self._kept_s, self._now_s = count_max, kept_s, now_s
        self._kept: OrderedDict[Key, tuple[float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, key: Key, decision: bytes) -> None:
        """Keep a decision; of several under a key the first one."""
        now_s = self._now_s()
        if (found := self._kept.get(key)) is not None and now_s < found[0]:
            return
        self._kept.pop(key, None)
        self._kept[key] = (now_s + self._kept_s, decision)
        while len(self._kept) > self._count_max or next(iter(self._kept.values()))[0] <= now_s:
            self._kept.popitem(last=False)

    def get(self, key: Key) -> bytes | None:
        """The decision, unless it was never here or has expired."""
        found = self._kept.get(key)
        return found[1] if found is not None and self._now_s() < found[0] else None
