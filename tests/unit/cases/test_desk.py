"""What the desk of a partition tells of what comes twice. Kafka and the view are stand-ins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec

from fraudstream.cases.book import Book
from fraudstream.cases.desk import Desk
from fraudstream.cases.observer import Unobserved
from fraudstream.cases.record import Position
from fraudstream.contracts import Alert
from tests.unit.cases.events import alert


class Counting(Unobserved):
    def __init__(self) -> None:
        self.repeats = self.mismatches = 0

    def on_repeat(self, partition: int, *, kind: str) -> None:
        self.repeats += 1

    def on_mismatch(self, partition: int) -> None:
        self.mismatches += 1


class Emission:
    async def emit(self, partition: int, cases: Any) -> int:
        return len(cases) - 1


def record_of(event: Alert, offset: int) -> Any:
    return SimpleNamespace(
        topic="alerts",
        partition=0,
        offset=offset,
        timestamp=0,
        key=event.account_id.encode(),
        value=msgspec.json.encode(event),
        headers=(),
    )


async def told_of(alerts: list[Alert]) -> Counting:
    """What an observer has counted after these alerts."""
    observer = Counting()
    settings, view = SimpleNamespace(cases_topic="cases"), SimpleNamespace(put=lambda *_: None)
    desk = Desk(0, Book(), Position(), cast(Any, settings), cast(Any, Emission()), cast(Any, view), observer)
    for offset, event in enumerate(alerts):
        desk.alert(record_of(event, offset))
    await desk.emit()
    return observer


async def test_a_late_repeat_is_no_mismatch_for_its_first_verdict_has_left_the_memory() -> None:
    observer = await told_of([alert("a1"), alert("a1", verdict_digest="f" * 16, late=True)])
    assert (observer.repeats, observer.mismatches) == (1, 0)


async def test_an_alert_that_comes_again_with_another_verdict_is_counted_apart_from_plain_repeats() -> None:
    observer = await told_of([alert("a1"), alert("a1"), alert("a1", verdict_digest="f" * 16)])
    assert (observer.repeats, observer.mismatches) == (2, 1)
