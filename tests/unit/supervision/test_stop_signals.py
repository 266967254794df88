"""The first stop signal asks to stop, later ones are repeats; the previous handlers come back. Real signals."""

from __future__ import annotations

import os
import signal

import pytest

from fraudstream.supervision.stop_signals import StopSignals


def test_the_first_signal_asks_to_stop_and_later_ones_are_repeats() -> None:
    events: list[str] = []
    with StopSignals(lambda: events.append("stop"), lambda: events.append("repeat")):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert events == ["stop", "repeat"]


def test_repeats_can_be_ignored() -> None:
    events: list[str] = []
    with StopSignals(lambda: events.append("stop")) as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert events == ["stop"]
    assert signals.received


def test_a_signal_before_there_is_something_to_stop_interrupts() -> None:
    with StopSignals(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


def test_handlers_are_restored_and_an_ignored_hangup_stays_ignored() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals(lambda: None, signals=(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
        assert {number: signal.getsignal(number) for number in before} == before
    finally:
        signal.signal(signal.SIGHUP, hangup)
