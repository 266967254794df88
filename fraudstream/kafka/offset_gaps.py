"""The embedded broker shows a record before the one in front of it is there, where two producers write into a partition
at once. Who reads on from there has passed over a record, and never hears of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

PATIENCE_S: Final = 5.0  # what is missing comes within milliseconds

log = logging.getLogger(__name__)


class Record(Protocol):
    @property
    def offset(self) -> int: ...


R = TypeVar("R", bound=Record)


class OffsetGaps:
    """Of one consumer of the embedded broker. On Apache Kafka holes are no fault: what a transaction leaves takes
    offsets."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._met: dict[TopicPartition, tuple[int, float]] = {}  # where, and when first

    def before(self, tp: TopicPartition, start: int, records: Sequence[R]) -> Sequence[R]:
        """The records that a fetch from `start` brought, up to the first hole; there the consumer reads again. A hole
        that stays for `PATIENCE_S` is passed, and logged."""
        due = start
        for at, record in enumerate(records):
            if record.offset > due and not self._stays(tp, due, record.offset):
                self._consumer.seek(tp, due)
                return records[:at]
            due = max(due, record.offset + 1)
        return records

    def _stays(self, tp: TopicPartition, due: int, found: int) -> bool:
        now = time.monotonic()
        where, met_at = self._met.get(tp, (None, now))
        if where != due:
            self._met[tp] = due, now
            return False
        if now - met_at <= PATIENCE_S:
            return False
        log.warning(
            "%s-%d: the records %d to %d never came, reading goes on behind them",
            tp.topic,
            tp.partition,
            due,
            found - 1,
        )
        return True
