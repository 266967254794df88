"""The children of a counter, looked up once."""

from __future__ import annotations

from typing import Any

from prometheus_client import Counter


class Children(dict[Any, Counter]):
    """The children of a counter by the value of its label, or by the tuple of its labels' values; each is looked up
    once. They are never removed."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self._counter = counter

    def __missing__(self, key: Any) -> Counter:
        """A child that was not asked for yet."""
        child = self[key] = self._counter.labels(*key) if isinstance(key, tuple) else self._counter.labels(key)
        return child
