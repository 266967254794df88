"""Records that are not there yet are waited for, those that never come are passed. The consumer is a stand-in."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from fraudstream.kafka import offset_gaps
from fraudstream.kafka.offset_gaps import OffsetGaps

TP = TopicPartition("alerts", 3)


class Consumer:
    def __init__(self) -> None:
        self.sought: list[tuple[TopicPartition, int]] = []

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.sought.append((tp, offset))


def records(*offsets: int) -> list[ConsumerRecord[bytes, bytes]]:
    return [ConsumerRecord(TP.topic, 3, offset, 0, 0, None, b"", None, 0, 0, ()) for offset in offsets]


def offsets(found: Any) -> list[int]:
    return [record.offset for record in found]


def of_a_consumer() -> tuple[OffsetGaps, list[tuple[TopicPartition, int]]]:
    consumer = Consumer()
    return OffsetGaps(cast(Any, consumer)), consumer.sought


def test_records_without_a_hole_pass() -> None:
    found, sought = of_a_consumer()
    assert offsets(found.before(TP, 7, records(7, 8, 9))) == [7, 8, 9]
    assert offsets(found.before(TP, 9, records(7, 8, 9, 10))) == [7, 8, 9, 10]  # read from further back
    assert sought == []


def test_the_consumer_reads_again_from_a_hole_on() -> None:
    found, sought = of_a_consumer()
    assert offsets(found.before(TP, 7, records(7, 8, 11))) == [7, 8]
    assert offsets(found.before(TP, 9, records(11, 12))) == []
    assert offsets(found.before(TP, 9, records(9, 10, 11, 12))) == [9, 10, 11, 12]
    assert sought == [(TP, 9), (TP, 9)]


def test_what_never_comes_is_passed_and_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    found, sought = of_a_consumer()
    assert offsets(found.before(TP, 7, records(9))) == []
    monkeypatch.setattr(offset_gaps, "PATIENCE_S", -1.0)
    with caplog.at_level(logging.WARNING):
        assert offsets(found.before(TP, 7, records(9, 10, 12))) == [9, 10]
    assert "alerts-3: the records 7 to 8 never came" in caplog.text
    assert sought == [(TP, 7), (TP, 11)]
