"""When the generated payments of `fraudstream up` begin, and how they reach the present."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from fraudstream.board.run_state import RunState
from fraudstream.cli.main import main
from fraudstream.cli.up.feed import CAUGHT_UP, GeneratedFeed
from fraudstream.cli.up.in_flight_payments import InFlightPayments
from fraudstream.cli.up.start_time import LIVE_MS_MIN, start_before
from fraudstream.contracts import Label, Payment

WEEK_MS = 7 * 86_400_000
NOW_MS = 1_796_058_000_000  # Monday, 2026-11-30T17:00:00Z


@pytest.mark.parametrize("speed", [0.5, 288.0, 28_800.0])
def test_payments_begin_on_a_working_day_and_keep_their_rate_for_twenty_minutes(speed: float) -> None:
    for now_ms in range(NOW_MS, NOW_MS + WEEK_MS, 3_600_000):
        start_ms = start_before(now_ms, speed)
        moment = datetime.fromtimestamp(start_ms / 1000, UTC)
        assert (moment.hour, moment.minute, moment.weekday() < 5) == (8, 0, True)
        assert 0 <= now_ms - start_ms - LIVE_MS_MIN * speed < 3 * 86_400_000


class SeenPublisher:
    """Ends the run once a payment has left when the phase says that the present is reached."""

    def __init__(self, state: RunState) -> None:
        self._state, self.last_ms, self.reached = state, 0, asyncio.Event()

    async def publish(self, events: Sequence[Payment | Label]) -> None:
        for event in events:
            if isinstance(event, Payment) and isinstance(event.occurred_at, int):
                self.last_ms = max(self.last_ms, event.occurred_at)
        if self._state.phase == CAUGHT_UP:
            self.reached.set()

    async def flush(self) -> None:
        """Nothing is buffered."""


async def test_generated_payments_reach_the_present_and_go_on_with_the_clock() -> None:
    now_ms = NOW_MS + 1_800_000  # within a block of the generator, which ends with the hour
    feed = GeneratedFeed(seed=1, accounts=1_000, rate=3_000.0, start_ms=now_ms - 7_200_000, now_ms=lambda: now_ms)
    state = RunState()
    publisher = SeenPublisher(state)
    run = asyncio.create_task(feed.publish(publisher, state, InFlightPayments()))
    async with asyncio.timeout(30):
        await publisher.reached.wait()
    run.cancel()
    assert now_ms - 1_800_000 < publisher.last_ms <= now_ms


def test_a_start_in_the_future_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--start", "2199-01-01T00:00:00Z"]) == 1
    assert capsys.readouterr().err == "fraudstream: --start 2199-01-01T00:00:00Z: it is not in the past.\n"


def test_a_start_without_a_date_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--start", "yesterday"]) == 1
    assert capsys.readouterr().err.startswith("fraudstream: --start yesterday: ")
