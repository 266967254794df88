"""When a reader gives up. The clock is a stand-in."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fraudstream.kafka import stall_detector
from fraudstream.kafka.stall_detector import StallDetector, StalledError
from fraudstream.stream.failure import in_words


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(stall_detector, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_a_reader_that_gets_on_however_slowly_does_not_give_up(clock: SimpleNamespace) -> None:
    progress = StallDetector("controls-0")
    for position in range(10):
        clock.now += 59
        progress.at(position)


def test_a_reader_that_stands_still_gives_up_with_a_sentence(clock: SimpleNamespace) -> None:
    progress = StallDetector("controls-0")
    progress.at(7)
    clock.now = 60.0
    progress.at(7)
    clock.now = 61.0
    with pytest.raises(StalledError, match="controls-0: nothing came from offset 7 on for 60 s") as stalled:
        progress.at(7)
    assert (in_words(stalled.value) or "").startswith("controls-0: nothing came")


def test_a_reader_that_never_hears_of_the_end_gives_up(clock: SimpleNamespace) -> None:
    progress = StallDetector("controls-0")
    clock.now = 61.0
    with pytest.raises(StalledError, match="from its beginning on"):
        progress.at(None)
