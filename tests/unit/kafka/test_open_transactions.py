"""When a partition counts as waiting for an open transaction, and what is logged about it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from fraudstream.kafka.open_transactions import WARN_AFTER_S, OpenTransaction, OpenTransactions, StableEnd


class Observer:
    def __init__(self) -> None:
        self.waiting: Mapping[int, OpenTransaction] = {}

    def on_open_transactions(self, waiting: Mapping[int, OpenTransaction]) -> None:
        self.waiting = waiting


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


def pinned(number: int, stable: int, high: int, topic: str = "payments") -> StableEnd:
    return StableEnd(topic, number, stable, high)


def test_only_records_beyond_the_last_stable_offset_wait() -> None:
    observer = Observer()
    OpenTransactions(observer).look([pinned(0, 5, 5), pinned(1, 5, 9), pinned(2, -1, 9)])
    assert {number: waiting.records for number, waiting in observer.waiting.items()} == {1: 4}


def test_the_clock_starts_again_with_each_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """A publisher of short transactions has one open nearly always: the last stable offset moves."""
    clock, observer = Clock(monkeypatch), Observer()
    transactions = OpenTransactions(observer)
    for stable in (5, 7, 9):
        transactions.look([pinned(0, stable, stable + 3)])
        assert observer.waiting[0].since_s == clock.now
        clock.now += WARN_AFTER_S
    transactions.look([pinned(0, 9, 40)])
    assert observer.waiting[0].since_s == clock.now - WARN_AFTER_S


def test_a_long_one_is_logged_once_and_its_end_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock, transactions = Clock(monkeypatch), OpenTransactions(Observer())
    with caplog.at_level(logging.INFO, "fraudstream.kafka.open_transactions"):
        for _ in range(4):
            transactions.look([pinned(3, 43, 47)])
            clock.now += WARN_AFTER_S / 2
        transactions.look([pinned(3, 47, 47)])
        transactions.look([pinned(3, 47, 47)])
    first, last = caplog.messages
    assert "partition 3 of payments has waited for an open transaction of a publisher since" in first
    assert "kafka-transactions.sh find-hanging" in first
    assert last == "payments-3: the open transaction has ended"


def test_of_two_topics_under_one_number_the_older_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The case agent reads two topics."""
    clock, observer = Clock(monkeypatch), Observer()
    transactions = OpenTransactions(observer)
    transactions.look([pinned(0, 1, 2, "case-actions")])
    clock.now += 1
    transactions.look([pinned(0, 1, 2, "alerts"), pinned(0, 1, 2, "case-actions")])
    assert observer.waiting[0].end.topic == "case-actions"
