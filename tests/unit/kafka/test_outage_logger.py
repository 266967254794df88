"""Brokers that do not answer are told of every few seconds, and that they answer again once."""

from __future__ import annotations

import logging
import time

import pytest

from fraudstream.kafka import Brokers
from fraudstream.kafka.outage_logger import OutageLogger

log = logging.getLogger("fraudstream.tests.silence")


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_short_silence_is_worth_no_word(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    watched = OutageLogger(Brokers("b:1"), log)
    clock.now += 4
    watched.continues(OSError("gone"))
    watched.ends()
    clock.now += 4
    watched.continues(OSError("gone"))
    assert told(caplog) == []


def test_a_long_one_is_told_every_few_seconds_and_its_end_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    watched = OutageLogger(Brokers("b:1"), log, so=": payments wait there")
    for _ in range(13):
        clock.now += 1
        watched.continues(TimeoutError())
    watched.ends()
    watched.ends()
    assert told(caplog) == [
        "no broker answers at b:1, for 6 s now (no answer in time): payments wait there",
        "no broker answers at b:1, for 12 s now (no answer in time): payments wait there",
        "the brokers answer again, after 13 s",
    ]


def test_at_a_start_the_first_failure_is_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    watched = OutageLogger(Brokers("b:1"), log, so=": trying on", at_once=True)
    watched.continues(OSError("refused"))
    clock.now += 1
    watched.continues(OSError("refused"))
    assert told(caplog) == ["no broker answers at b:1, for 0 s now (refused): trying on"]
