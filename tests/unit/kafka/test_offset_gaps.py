"""A record that is not readable yet is waited for, one that stays missing is skipped. The consumer is a stand-in."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from fraudstream.kafka import offset_gaps
from fraudstream.kafka.offset_gaps import OffsetGaps

TP = TopicPartition("alerts", 3)


class FakeConsumer:
    def __init__(self) -> None:
        self.seeks: list[tuple[TopicPartition, int]] = []

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.seeks.append((partition, offset))


def records(*offsets: int) -> list[ConsumerRecord[bytes, bytes]]:
    return [ConsumerRecord(TP.topic, 3, offset, 0, 0, None, b"", None, 0, 0, ()) for offset in offsets]


def offsets(found: Any) -> list[int]:
    return [record.offset for record in found]


def gaps_of_a_consumer() -> tuple[OffsetGaps, list[tuple[TopicPartition, int]]]:
    consumer = FakeConsumer()
    return OffsetGaps(consumer), consumer.seeks


def test_records_without_a_gap_pass() -> None:
    gaps, seeks = gaps_of_a_consumer()
    assert offsets(gaps.contiguous(TP, 7, records(7, 8, 9))) == [7, 8, 9]
    assert offsets(gaps.contiguous(TP, 9, records(7, 8, 9, 10))) == [7, 8, 9, 10]  # fetched from an earlier offset
    assert seeks == []


def test_the_consumer_is_sent_back_to_a_gap() -> None:
    gaps, seeks = gaps_of_a_consumer()
    assert offsets(gaps.contiguous(TP, 7, records(7, 8, 11))) == [7, 8]
    assert offsets(gaps.contiguous(TP, 9, records(11, 12))) == []
    assert offsets(gaps.contiguous(TP, 9, records(9, 10, 11, 12))) == [9, 10, 11, 12]
    assert seeks == [(TP, 9), (TP, 9)]


def test_a_gap_that_persists_is_skipped_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gaps, seeks = gaps_of_a_consumer()
    assert offsets(gaps.contiguous(TP, 7, records(9))) == []
    monkeypatch.setattr(offset_gaps, "GAP_WAIT_S", -1.0)
    with caplog.at_level(logging.WARNING):
        assert offsets(gaps.contiguous(TP, 7, records(9, 10, 12))) == [9, 10]
    assert "alerts-3: records 7 to 8 are missing" in caplog.text
    assert seeks == [(TP, 7), (TP, 11)]
