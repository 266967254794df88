"""Which partitions wait for an open transaction of a publisher: readers of committed records get none behind it.

    offsets   ... 41 42 | 43        44 45 46 |
                        └ last stable offset └ high watermark
                          of an open transaction; 44 to 46, of any publisher, wait for it

A transaction that is open for a moment is normal. The process that waits for a long one is healthy, and a restart does
not help: the publisher, or an administrator, has to end the transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

WARN_AFTER_S: Final = 30.0  # half of Kafka's default transaction.timeout.ms

log = logging.getLogger(__name__)


class StableEnd(NamedTuple):
    """The two ends of a partition of `topic`, from the same fetch."""

    topic: str
    partition: int
    last_stable_offset: int
    high_watermark: int


class OpenTransaction(NamedTuple):
    """What a partition waits for. `since_s`: `time.monotonic` when its last stable offset was first seen pinned;
    `since_ms`: the same, ms since the epoch."""

    end: StableEnd
    since_s: float
    since_ms: int

    @property
    def records(self) -> int:
        """How many offsets are not stable: the transaction's own records and those behind them."""
        return self.end.high_watermark - self.end.last_stable_offset

    def __str__(self) -> str:
        """
        >>> str(OpenTransaction(StableEnd("payments", 3, 43, 47), 0.0, 0))  # doctest: +NORMALIZE_WHITESPACE
        'partition 3 of payments has waited for an open transaction of a publisher since 1970-01-01T00:00:00Z: last
        stable offset 43, high watermark 47'
        """
        since = datetime.fromtimestamp(self.since_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            f"partition {self.end.partition} of {self.end.topic} has waited for an open transaction of a publisher "
            f"since {since}: last stable offset {self.end.last_stable_offset}, high watermark {self.end.high_watermark}"
        )


class ObservesTransactions(Protocol):
    """Receives what is found. Must return at once."""

    def on_open_transactions(self, waiting: Mapping[int, OpenTransaction]) -> None:
        """All partitions that wait now, by number; they replace those of the last call."""


class OpenTransactions:
    """Follows the partitions that a process reads."""

    def __init__(self, observer: ObservesTransactions) -> None:
        self._observer = observer
        self._open: dict[tuple[str, int], OpenTransaction] = {}
        self._warned: set[tuple[str, int]] = set()

    def look(self, ends: Iterable[StableEnd]) -> None:
        """Compare the present `ends` of all partitions with those of the last call, log, and report."""
        now_s, now_ms = time.monotonic(), time.time_ns() // 1_000_000
        still: dict[tuple[str, int], OpenTransaction] = {}
        for end in ends:
            if end.high_watermark > end.last_stable_offset >= 0:
                before = self._open.get(end[:2])
                pinned = before is not None and before.end.last_stable_offset == end.last_stable_offset
                since = (before.since_s, before.since_ms) if before is not None and pinned else (now_s, now_ms)
                still[end[:2]] = OpenTransaction(end, *since)
        self._log(still, now_s)
        self._open = still
        by_age = sorted(still.items(), key=lambda item: -item[1].since_s)
        self._observer.on_open_transactions({number: waiting for (_, number), waiting in by_age})

    def _log(self, still: Mapping[tuple[str, int], OpenTransaction], now_s: float) -> None:
        """Log once that a partition has waited for long, and once that it no longer does."""
        for key in sorted(self._warned):
            if key not in still or still[key].since_s != self._open[key].since_s:
                self._warned.remove(key)
                log.info("%s-%d: the open transaction has ended", *key)
        for key, waiting in still.items():
            if key not in self._warned and now_s - waiting.since_s >= WARN_AFTER_S:
                self._warned.add(key)
                log.warning(
                    "%s: find it with `kafka-transactions.sh find-hanging`, and end its publisher or abort it", waiting
                )
