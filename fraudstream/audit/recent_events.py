"""Which events were recorded a moment ago: pages update themselves, and strangers repeat themselves."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

WITHIN_MS: Final = 5 * 60_000
KEPT_MAX: Final = 20_000


class RecentEvents:
    """Remembers keys for `within_ms` after they were first seen, the newest `kept_max` of them."""

    def __init__(self, within_ms: int = WITHIN_MS, kept_max: int = KEPT_MAX) -> None:
        self._within_ms, self._kept_max = within_ms, kept_max
        self._seen: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def is_new(self, key: tuple[str, ...], now_ms: int) -> bool:
        """Whether `key` was not seen within the time before `now_ms`; from then on it is."""
        seen_ms = self._seen.get(key)
        if seen_ms is not None and now_ms - seen_ms < self._within_ms:
            return False
        self._seen[key] = now_ms
        self._seen.move_to_end(key)
        if len(self._seen) > self._kept_max:
            self._seen.popitem(last=False)
        return True

    def forget(self, key: tuple[str, ...]) -> None:
        """`key` was not recorded after all."""
        self._seen.pop(key, None)
