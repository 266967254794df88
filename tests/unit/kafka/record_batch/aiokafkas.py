"""The slow twin of the parser: aiokafka's own, record by record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.record.memory_records import MemoryRecords

from fraudstream.engine.records import Record, Records
from fraudstream.kafka.record_batch.parse import UnreadableBatch, parse
from tests.unit.kafka.record_batch.drawn_batches import aborted_from, answer

TP = TopicPartition("payments", 3)


class Outcome(NamedTuple):
    """What a reader received. `next_offset`: where it would fetch next. `error`: what ended reading, if anything."""

    records: list[Record]
    next_offset: int
    error: Exception | None

    @property
    def failed(self) -> bool:
        return self.error is not None


def by_aiokafka(data: bytes, begin: int, aborted: Iterable[tuple[int, int]] = (), committed: bool = True) -> Outcome:
    isolation = READ_COMMITTED if committed else READ_UNCOMMITTED
    records: list[Record] = []
    reader: Any = PartitionRecords(TP, MemoryRecords(data), list(aborted), begin, None, None, True, isolation)
    try:
        for record in reader:
            records.append(_plain(record))
    except Exception as error:  # aiokafka raises errors of many types
        return Outcome(records, reader.next_fetch_offset, error)
    return Outcome(records, reader.next_fetch_offset, None)


def by_parser(data: bytes, begin: int, aborted: Sequence[tuple[int, int]] = (), committed: bool = True) -> Outcome:
    """The records of all fetches of a log that holds `data`: one fetch stops before an unreadable batch."""
    records: list[Record] = []
    while True:
        try:
            found = parse(answer(data, begin), begin, TP, aborted_from(data, begin, aborted), committed)
        except UnreadableBatch as error:
            return Outcome(records, begin, error)
        records += Records(found.buffer, found.spans)
        if found.next_offset <= begin:
            return Outcome(records, found.next_offset, None)
        begin = found.next_offset


def _plain(record: Any) -> Record:
    headers = tuple((name, value or b"") for name, value in record.headers)
    return Record(record.offset, record.timestamp, record.key, record.value, headers)
