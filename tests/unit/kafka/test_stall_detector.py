"""When a reader without progress fails. The clock is a stand-in."""

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


def test_a_reader_with_progress_never_fails_however_slow_it_is(clock: SimpleNamespace) -> None:
    stall = StallDetector("controls", 0)
    for position in range(10):
        clock.now += 59
        stall.check(position)


def test_a_reader_without_progress_fails_with_a_sentence_and_its_facts(clock: SimpleNamespace) -> None:
    stall = StallDetector("controls", 0)
    stall.check(7)
    clock.now = 60.0
    stall.check(7)
    clock.now = 61.0
    with pytest.raises(StalledError, match="controls-0: no record from offset 7 on within 60 s") as stalled:
        stall.check(7)
    error = stalled.value
    assert (error.topic, error.partition, error.position, error.seconds) == ("controls", 0, 7, 60.0)
    assert (in_words(error) or "").startswith("controls-0: no record from offset 7 on")


def test_a_reader_that_never_learns_the_end_fails(clock: SimpleNamespace) -> None:
    stall = StallDetector("controls", 0)
    clock.now = 61.0
    with pytest.raises(StalledError, match="controls-0: no answer from the brokers within 60 s") as stalled:
        stall.check(None)
    assert stalled.value.position is None
