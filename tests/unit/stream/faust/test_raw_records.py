"""Raw records of aiokafka's parser, from bytes as a broker sends them: its internals provide what a batch needs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from fraudstream.stream.faust.raw_records import use_raw_records

TP0 = TopicPartition("payments", 0)


def batch(*values: bytes | None) -> MemoryRecords:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for offset, value in enumerate(values):
        builder.append(offset, 1_700_000_000_000 + offset, b"a%d" % offset, value, [("type", b"label")])
    return MemoryRecords(bytes(builder.build()))


def fetched(records: MemoryRecords, position: int) -> FetchResult:
    parsed = PartitionRecords(TP0, records, [], position, None, None, True, READ_COMMITTED)
    state = SimpleNamespace(paused=False, position=position, consumed_to=lambda _: None)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    return FetchResult(TP0, assignment=assignment, partition_records=parsed, backoff=0)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_raw_record_has_all_that_a_batch_needs_and_is_no_python_object(when: str) -> None:
    fetcher: Any = SimpleNamespace(_records={})
    if when == "before":
        use_raw_records(fetcher)
    fetcher._records[TP0] = fetched(batch(b"zero", b"one", None), position=1)
    use_raw_records(fetcher)
    first, second = fetcher._records[TP0].getall(100)
    assert (first.offset, first.timestamp, first.key, first.value) == (1, 1_700_000_000_001, b"a1", b"one")
    assert ("type", b"label") in first.headers
    assert (second.offset, second.value) == (2, None)
    assert not hasattr(first, "__dict__")


def test_a_fetch_error_is_kept_unchanged() -> None:
    fetcher: Any = SimpleNamespace(_records={})
    use_raw_records(fetcher)
    fetcher._records[TP0] = error = FetchError(error=ValueError(), backoff=0)
    assert fetcher._records[TP0] is error
