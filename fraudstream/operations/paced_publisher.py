"""Publishes a sequence of payments and labels at a pace: at once, at a fixed rate, or by event time.

async with EventPublisher(brokers, "payments") as publisher:
    await publish_paced(publisher, pieces, FixedRate(1_000))
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fraudstream.contracts import Label, Payment

Int64Array = npt.NDArray[np.int64]

EVENTS_AT_ONCE: Final = 5_000
STEPS_A_SECOND: Final = 50  # of a fixed rate: small enough to look steady
TICK_S: Final = 0.005  # shortest sleep: events closer together leave as one batch


class EventSequence(Protocol):
    """Payments and labels in the order of the log. `at_ms`: when each is due in event time, ms since the epoch, UTC,
    ascending; int64, shape (len(events),). `backtest.label_order.Events` fits."""

    @property
    def events(self) -> Sequence[Payment | Label]:
        """The events, in order."""

    @property
    def at_ms(self) -> Int64Array:
        """When each is due."""


class Publisher(Protocol):
    """Where events go; `EventPublisher` fits. `publish` waits while too many are in flight."""

    async def publish(self, events: Sequence[Payment | Label]) -> None:
        """Take the events, in order."""


class Due(NamedTuple):
    """How many of the next events may leave now; if none, the first may in `wait_s` seconds."""

    events: int
    wait_s: float


class Pace(Protocol):
    """When events leave."""

    def due(self, at_ms: Int64Array, sent: int, elapsed_s: float) -> Due:
        """The events that may leave `elapsed_s` after the start, when `sent` events have left. `at_ms`: event times of
        the next ones, ms since the epoch, ascending; int64, shape (n,), n > 0."""


class Unpaced:
    """As fast as the broker takes them."""

    def due(self, at_ms: Int64Array, sent: int, elapsed_s: float) -> Due:
        """All."""
        return Due(len(at_ms), 0.0)


class FixedRate:
    """`events_a_second` on the clock, whatever their event times; more than 0."""

    def __init__(self, events_a_second: float) -> None:
        self._rate = events_a_second
        self._step = max(1, round(events_a_second / STEPS_A_SECOND))

    def due(self, at_ms: Int64Array, sent: int, elapsed_s: float) -> Due:
        """One step of events, once the time of those before has passed."""
        wait_s = sent / self._rate - elapsed_s
        return Due(0, wait_s) if wait_s > 0 else Due(self._step, 0.0)


class EventTime:
    """Each event when its event time has come: at `start_ms` (ms since the epoch) publishing begins, and `speed`
    seconds of event time pass in one second on the clock. Events before `start_ms` leave at once. With `now_ms`, which
    tells the present in ms since the epoch, no event leaves before its own time: from there on the clock is the pace.
    """

    def __init__(self, start_ms: int, speed: float = 1.0, *, now_ms: Callable[[], int] | None = None) -> None:
        self._start_ms, self._speed, self._now_ms = start_ms, speed, now_ms

    def due(self, at_ms: Int64Array, sent: int, elapsed_s: float) -> Due:
        """Those up to the event time reached."""
        reached_ms, speed = self._start_ms + elapsed_s * self._speed * 1000, self._speed
        if self._now_ms is not None and (present_ms := self._now_ms()) < reached_ms:
            reached_ms, speed = present_ms, 1.0
        count = int(np.searchsorted(at_ms, reached_ms, side="right"))
        return Due(count, 0.0 if count else max((int(at_ms[0]) - reached_ms) / speed / 1000, TICK_S))


class Published(NamedTuple):
    """How many events a publisher was given."""

    payments: int
    labels: int


async def publish_paced(
    publisher: Publisher,
    sequence: Iterable[EventSequence],
    pace: Pace,
    *,
    events_at_once: int = EVENTS_AT_ONCE,
    on_published: Callable[[int, int], None] = lambda payments, labels: None,
) -> Published:
    """Publish the whole sequence, at most `events_at_once` in one call of the publisher; endless if it is.

    `on_published` is called after each of these calls with its numbers of payments and labels. Raises what the
    publisher raises.
    """
    started, payments, labels = time.monotonic(), 0, 0
    for piece in sequence:
        first = 0
        while first < len(piece.events):
            due = pace.due(piece.at_ms[first:], payments + labels, time.monotonic() - started)
            if not due.events:
                await asyncio.sleep(due.wait_s)
                continue
            events = piece.events[first : first + min(due.events, events_at_once)]
            await publisher.publish(events)
            labels_here = sum(type(event) is Label for event in events)
            payments, labels = payments + len(events) - labels_here, labels + labels_here
            on_published(len(events) - labels_here, labels_here)
            await asyncio.sleep(0)  # an unpaced sequence must not keep the event loop from the producer
            first += len(events)
    return Published(payments, labels)
