"""An outage is logged every few seconds, the recovery once. The clock is a stand-in."""

from __future__ import annotations

import logging
import time

import pytest

from fraudstream.kafka import Brokers
from fraudstream.kafka.outage_logger import OutageLogger

log = logging.getLogger("fraudstream.tests.outage")


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_short_outage_is_not_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    outage = OutageLogger(Brokers("b:1"), log)
    clock.now += 4
    outage.failed(OSError("gone"))
    outage.recovered()
    clock.now += 4
    outage.failed(OSError("gone"))
    assert messages(caplog) == []


def test_a_long_outage_is_logged_every_few_seconds_and_its_end_once(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    outage = OutageLogger(Brokers("b:1"), log, consequence=": payments wait there")
    for _ in range(13):
        clock.now += 1
        outage.failed(TimeoutError())
    outage.recovered()
    outage.recovered()
    assert messages(caplog) == [
        "no broker answers at b:1, for 6 s now (no answer in time): payments wait there",
        "no broker answers at b:1, for 12 s now (no answer in time): payments wait there",
        "the brokers answer again, after 13 s",
    ]


def test_at_a_start_the_first_failure_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    outage = OutageLogger(Brokers("b:1"), log, consequence=": retrying", at_once=True)
    outage.failed(OSError("refused"))
    clock.now += 1
    outage.failed(OSError("refused"))
    assert messages(caplog) == ["no broker answers at b:1, for 0 s now (refused): retrying"]
