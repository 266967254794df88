"""Detects gaps in the offsets that a broker without transactions delivers.

On such a broker every offset of a topic that is not compacted has a record. Some brokers deliver a record before an
earlier one is readable, where two producers write to the partition at once (docs/decisions/0003-checkpoints.md). A
consumer that continued from there would never see the earlier record.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from aiokafka import TopicPartition

GAP_WAIT_S: Final = 5.0  # a missing record becomes readable within milliseconds

log = logging.getLogger(__name__)


class Record(Protocol):
    """A record with its offset."""

    @property
    def offset(self) -> int:
        """Offset in its partition."""


class SeekableConsumer(Protocol):
    """The part of aiokafka's `AIOKafkaConsumer` that is used here."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Fetch from `offset` next."""


R = TypeVar("R", bound=Record)


class OffsetGaps:
    """Gap detection for one consumer.

    Not for Apache Kafka: there gaps are normal, as transaction markers and compaction leave unused offsets.
    """

    def __init__(self, consumer: SeekableConsumer) -> None:
        self._consumer = consumer
        self._seen: dict[TopicPartition, tuple[int, float]] = {}  # first missing offset, and when it was first missed

    def contiguous(self, tp: TopicPartition, start: int, records: Sequence[R]) -> Sequence[R]:
        """The records of a fetch from `start` up to the first gap, as `count`."""
        return records[: self.count(tp, start, records)]

    def count(self, tp: TopicPartition, start: int, records: Sequence[Record]) -> int:
        """How many records of a fetch from `start` are before the first gap; the consumer is then sent back to the gap.

        A gap that persists for `GAP_WAIT_S` is skipped and logged.
        """
        if records and (first := records[0].offset) <= start and records[-1].offset - first == len(records) - 1:
            return len(records)  # the usual fetch, without a loop
        expected = start
        for index, record in enumerate(records):
            if record.offset > expected and not self._persists(tp, expected, record.offset):
                self._consumer.seek(tp, expected)
                return index
            expected = max(expected, record.offset + 1)
        return len(records)

    def _persists(self, tp: TopicPartition, missing: int, found: int) -> bool:
        """Whether the gap from `missing` to before `found` has been there for longer than `GAP_WAIT_S`."""
        now_s = time.monotonic()
        offset, since_s = self._seen.get(tp, (None, now_s))
        if offset != missing:
            self._seen[tp] = missing, now_s
            return False
        if now_s - since_s <= GAP_WAIT_S:
            return False
        log.warning(
            "%s-%d: records %d to %d are missing after %g s, skipping them",
            tp.topic,
            tp.partition,
            missing,
            found - 1,
            GAP_WAIT_S,
        )
        return True
