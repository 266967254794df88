"""The paced publisher keeps the order and the pace that it was given, and counts what left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.contracts import Label, Payment
from fraudstream.operations.paced_publisher import EventTime, FixedRate, Pace, Published, Unpaced, publish_paced


class Piece(NamedTuple):
    events: list[Payment | Label]
    at_ms: npt.NDArray[np.int64]


def payment(number: int) -> Payment:
    return Payment(f"e{number}", number, "acc-1", "1.00", "EUR", "debit")


def pieces() -> list[Piece]:
    label = Label("e0", "acc-1", "fraud", 100)
    return [
        Piece([payment(0), payment(1)], np.array([0, 50], np.int64)),
        Piece([label, payment(2), payment(3)], np.array([100, 100, 150], np.int64)),
    ]


class Recorder:
    """A publisher that notes what it is given, and when."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, list[Payment | Label]]] = []
        self._started = time.monotonic()

    async def publish(self, events: Sequence[Payment | Label]) -> None:
        self.calls.append((time.monotonic() - self._started, list(events)))

    @property
    def events(self) -> list[Payment | Label]:
        return [event for _, events in self.calls for event in events]


async def published(pace: Pace, events_at_once: int = 1_000) -> tuple[Recorder, Published]:
    recorder = Recorder()
    counts = await publish_paced(recorder, pieces(), pace, events_at_once=events_at_once)
    assert recorder.events == [event for piece in pieces() for event in piece.events]
    return recorder, counts


async def test_without_a_pace_everything_leaves_in_order_in_bounded_calls() -> None:
    recorder, counts = await published(Unpaced(), events_at_once=2)
    assert [len(events) for _, events in recorder.calls] == [2, 2, 1]
    assert counts == Published(payments=4, labels=1)


async def test_at_a_fixed_rate_an_event_leaves_no_earlier_than_its_turn() -> None:
    recorder, _ = await published(FixedRate(20.0))
    assert [len(events) for _, events in recorder.calls] == [1] * 5
    assert all(at_s >= number / 20.0 for number, (at_s, _) in enumerate(recorder.calls))


async def test_by_event_time_an_event_leaves_no_earlier_than_its_time_at_that_speed() -> None:
    recorder, _ = await published(EventTime(start_ms=0, speed=0.5))
    left_s = [at_s for at_s, events in recorder.calls for _ in events]
    due_s = [at_ms / 1000 / 0.5 for piece in pieces() for at_ms in piece.at_ms.tolist()]
    assert all(left >= due - 1e-3 for left, due in zip(left_s, due_s, strict=True))


async def test_what_lies_before_the_start_leaves_at_once() -> None:
    recorder, _ = await published(EventTime(start_ms=1_000))
    assert [len(events) for _, events in recorder.calls] == [2, 3]


def test_nothing_leaves_before_its_own_time_once_the_present_is_reached() -> None:
    at_ms = np.array([1_000, 2_000, 9_000], np.int64)
    pace = EventTime(start_ms=0, speed=288.0, now_ms=lambda: 5_000)
    assert pace.due(at_ms, sent=0, elapsed_s=0.005).events == 1  # in the past: 288 times the pace of the clock
    assert pace.due(at_ms, sent=0, elapsed_s=60.0).events == 2
    assert pace.due(at_ms[2:], sent=2, elapsed_s=60.0) == (0, 4.0)  # in 4 s of the clock
