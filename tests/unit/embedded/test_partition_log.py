"""The log of one partition stores and returns batches as aiokafka makes them."""

from __future__ import annotations

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.embedded.kafka_server.errors import Error, RequestRefused
from fraudstream.embedded.kafka_server.partition_log import PartitionLog


def batch_of(values: list[bytes], timestamp_ms: int = 0) -> bytes:
    builder = BatchBuilder(1_000_000, 0)
    for value in values:
        builder.append(timestamp=timestamp_ms, key=None, value=value)
    builder.close()
    return bytes(builder._build())


def read_all(log: PartitionLog, start: int, bytes_max: int) -> list[tuple[int, bytes]]:
    """The records from `start`, read as a consumer does: fetch after fetch, without those before the position."""
    found: list[tuple[int, bytes]] = []
    position = start
    while position < log.end:
        records = MemoryRecords(log.read(position, bytes_max, at_least_one=True))
        while (batch := records.next_batch()) is not None:
            found += [(record.offset, record.value) for record in batch if record.offset >= position]
        position = found[-1][0] + 1
    return found


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=20), data=st.data(), bytes_max=st.integers(1, 2_000))
def test_every_record_is_read_once_and_in_order_from_any_offset(
    sizes: list[int], data: st.DataObject, bytes_max: int
) -> None:
    log, values = PartitionLog(), list[bytes]()
    for size in sizes:
        more = [b"%d" % (len(values) + n) for n in range(size)]
        assert log.append(batch_of(more)) == len(values)
        values += more
    start = data.draw(st.integers(0, len(values)))
    assert read_all(log, start, bytes_max) == list(enumerate(values))[start:]


def test_a_read_at_the_end_is_empty_and_one_behind_it_is_refused() -> None:
    log = PartitionLog()
    log.append(batch_of([b"a", b"b"]))
    assert log.read(2, 1_000, at_least_one=True) == b""
    with pytest.raises(RequestRefused) as refused:
        log.read(3, 1_000, at_least_one=True)
    assert refused.value.error is Error.OFFSET_OUT_OF_RANGE


def test_a_large_batch_is_given_whole_only_if_it_is_the_first() -> None:
    log = PartitionLog()
    log.append(batch_of([b"a" * 5_000]))
    assert len(log.read(0, 100, at_least_one=True)) > 5_000
    assert log.read(0, 100, at_least_one=False) == b""


def test_deleted_records_are_out_of_range_and_the_others_stay() -> None:
    log = PartitionLog()
    for value in (b"a", b"b", b"c"):
        log.append(batch_of([value]))
    log.delete_before(2)
    assert (log.start, log.end, read_all(log, 2, 1_000)) == (2, 3, [(2, b"c")])
    with pytest.raises(RequestRefused):
        log.read(1, 1_000, at_least_one=True)
    log.delete_before(3)
    assert (log.start, log.read(3, 1_000, at_least_one=True), log.append(batch_of([b"d"]))) == (3, b"", 3)


def test_an_offset_is_found_by_time() -> None:
    log = PartitionLog()
    for timestamp_ms in (100, 200, 300):
        log.append(batch_of([b"a"], timestamp_ms))
    assert [log.offset_at(ms) for ms in (50, 200, 201)] == [(0, 100), (1, 200), (2, 300)]
    assert log.offset_at(301) is None


@pytest.mark.parametrize("records", [b"", b"short", batch_of([b"a"])[:-1], b"\0" * 16 + b"\1" + b"\0" * 60])
def test_what_is_no_record_batch_is_refused(records: bytes) -> None:
    log = PartitionLog()
    with pytest.raises(RequestRefused):
        log.append(records)
    assert log.end == 0
