"""Batches that compiled code writes are those that aiokafka's builder makes of the same records, to the byte."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import example, given
from hypothesis import strategies as st

from fraudstream.kafka.compression import Codec, batch_attribute
from fraudstream.kafka.record_batch.outgoing import OutgoingRecord, OutgoingRecords, join_records, pack_records
from fraudstream.kafka.record_batch.ready_batch import ReadyBatch
from fraudstream.kafka.record_batch.writer import write_batches

LIMIT = 1000
Group = tuple[int, list[OutgoingRecord]]  # timestamp, records
PRODUCER = (4711, 3, 2**31 - 1)

parts = st.binary(max_size=70) | st.binary(min_size=120, max_size=140)
record = st.tuples(
    st.none() | parts, st.none() | parts, st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=200)), max_size=4)
)
groups = st.lists(st.tuples(st.integers(0, 2**45), st.lists(record, max_size=20)), max_size=5)


def packed(drawn: list[Group]) -> list[OutgoingRecords]:
    return [pack_records(records, timestamp_ms) for timestamp_ms, records in drawn]


def built_by_aiokafka(drawn: list[Group], limit: int, codec: Codec = "none", transactional: int = 0) -> list[bytes]:
    """The batches of the twin, with a producer's id and sequence number. Its compiled builder keeps below its limit."""
    builders: list[Any] = []
    for timestamp_ms, records in drawn:
        for key, value, headers in records:
            given_record = {"timestamp": timestamp_ms, "key": key, "value": value, "headers": list(headers)}
            if not builders or builders[-1].append(**given_record) is None:
                builders.append(BatchBuilder(limit + 1, batch_attribute(codec), is_transactional=transactional))
                assert builders[-1].append(**given_record) is not None
    for builder in builders:
        builder._set_producer_state(*PRODUCER)
    return [bytes(builder._build()) for builder in builders]


def ready(drawn: list[Group], limit: int, codec: Codec = "none", transactional: bool = False) -> list[ReadyBatch]:
    batches = [ReadyBatch(written, codec, transactional) for written in write_batches(packed(drawn), limit)]
    for batch in batches:
        batch._set_producer_state(*PRODUCER)
    return batches


@given(groups, st.integers(61, 1500))
@example([(5, [(b"k", b"v" * 5000, [])]), (4, [(None, None, []), (b"", b"", [("", b"")])])], 100)
def test_batches_are_those_of_aiokafka_to_the_byte(drawn: list[Group], limit: int) -> None:
    assert [bytes(batch._build()) for batch in ready(drawn, limit)] == built_by_aiokafka(drawn, limit)


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("codec", get_args(Codec))
@pytest.mark.parametrize("count", [1, 40])
def test_every_codec_is_read_back_by_aiokafka(codec: Codec, transactional: bool, count: int) -> None:
    records: list[OutgoingRecord] = [
        (b"a%d" % n, b'{"event_id":"e%d","outcome":"allow"}' % n, [("source", b"3:%d" % n)]) for n in range(count)
    ]
    (batch,) = ready([(17, records), (12, records)], 1 << 20, codec, transactional)
    read = MemoryRecords(bytes(batch._build())).next_batch()
    assert read is not None
    assert read.validate_crc()
    assert read.is_transactional == transactional
    assert read.compression_type == (batch_attribute(codec) if count > 1 else read.compression_type)
    assert (read.producer_id, read.producer_epoch, read.base_sequence) == PRODUCER
    assert [(r.key, r.value, list(r.headers)) for r in read] == [
        (key, value, list(headers)) for key, value, headers in records + records
    ]
    assert [r.timestamp for r in MemoryRecords(bytes(batch._build())).next_batch()] == [17] * count + [12] * count


def test_what_compression_enlarges_is_sent_as_it_is() -> None:
    drawn: list[Group] = [(1, [(b"k", b"v", [])])]
    assert [bytes(batch._build()) for batch in ready(drawn, LIMIT, "gzip")] == built_by_aiokafka(drawn, LIMIT)


def test_a_batch_that_is_sent_again_has_the_same_bytes() -> None:
    (batch,) = ready([(1, [(b"k", b"v" * 200, [])])], LIMIT, "gzip")
    assert bytes(batch._build()) == bytes(batch._build())
    assert batch.size() == len(batch._build())


def test_another_sequence_number_is_written_with_its_checksum() -> None:
    (batch,) = ready([(1, [(b"k", b"v", [])])], LIMIT)
    batch._build()
    batch._set_producer_state(1, 2, 3)
    read = MemoryRecords(bytes(batch._build())).next_batch()
    assert read is not None
    assert read.validate_crc()
    assert (read.producer_id, read.producer_epoch, read.base_sequence) == (1, 2, 3)


def test_a_ready_batch_takes_no_record_and_never_lingers() -> None:
    (batch,) = ready([(1, [(b"k", b"v", [])])], LIMIT)
    assert batch.closed()
    assert batch.append(timestamp=1, key=b"k", value=b"v", headers=[]) is None  # type: ignore[func-returns-value]
    assert batch.record_count() == 1


def test_parts_that_differ_in_number_are_refused() -> None:
    records = packed([(1, [(b"k", b"v", []), (b"k", b"v", [])])])[0]
    fewer = records._replace(values=records.values.rows(np.array([0])))
    with pytest.raises(ValueError, match="differ in number"):
        list(write_batches([fewer], LIMIT))


def test_a_span_outside_its_buffer_is_refused() -> None:
    records = packed([(1, [(b"k", b"v", [])])])[0]
    outside = records._replace(values=records.values._replace(at=np.array([1 << 20])))
    with pytest.raises(ValueError, match="outside its buffer"):
        list(write_batches([outside], LIMIT))


@given(groups.filter(bool))
def test_records_are_chosen_and_joined_as_lists_are(drawn: list[Group]) -> None:
    joined = join_records(packed(drawn))
    everything = [record for _, records in drawn for record in records]
    backwards = joined.rows(np.arange(joined.n)[::-1])
    timestamp_ms = drawn[0][0]
    assert [bytes(batch._build()) for batch in ready([(timestamp_ms, everything[::-1])], LIMIT)] == [
        bytes(batch._build())
        for batch in _with_producer(ReadyBatch(w, "none") for w in write_batches([backwards], LIMIT))
    ]


def _with_producer(batches: Any) -> list[ReadyBatch]:
    made = list(batches)
    for batch in made:
        batch._set_producer_state(*PRODUCER)
    return made
