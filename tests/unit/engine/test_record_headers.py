"""Headers read from bytes are those that the records have as objects, and sources are followed alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.headers import (
    BACKFILLED_HEADER,
    CONTROL_HEADER,
    FEATURES_HEADER,
    LABEL_HEADER,
    REPARTITIONED_HEADER,
    SOURCE_HEADER,
    source_of,
)
from fraudstream.engine.header_fields import BACKFILLED, CONTROL, COPY, LABEL, MISSING
from fraudstream.engine.record_headers import headers_of, indices_of
from fraudstream.engine.records import Record, Records, Spans, records_of
from fraudstream.engine.sources import new_from_previous_stage

_sources = st.builds(lambda p, o: b"%d:%d" % (p, o), st.integers(0, 2), st.integers(0, 12)) | st.sampled_from(
    [b"", b"3", b"3:", b":3", b"03:4", b"3:04", b"-1:4", b"3:4:5", b"x:1", b"2147483648:1", b"1:99999999999999999999"]
)
_header = st.one_of(
    st.tuples(st.just(SOURCE_HEADER), _sources),
    st.tuples(st.just(FEATURES_HEADER), st.binary(max_size=40)),
    st.sampled_from([LABEL_HEADER, CONTROL_HEADER, BACKFILLED_HEADER, ("backfilled", b"1"), ("type", b"labels")]),
    st.tuples(st.just(REPARTITIONED_HEADER), _sources),
    st.tuples(st.text(max_size=20), st.binary(max_size=200)),
)
_records = st.lists(st.lists(_header, max_size=5), max_size=8).map(
    lambda of_records: [Record(k, 0, b"k", b"v", tuple(headers)) for k, headers in enumerate(of_records)]
)


@given(_records)
def test_headers_are_those_of_the_objects(records: list[Record]) -> None:
    packed = records_of(records)
    found = headers_of(packed)
    for i, record in enumerate(records):
        named = dict(record.headers)
        kinds = {LABEL: LABEL_HEADER, CONTROL: CONTROL_HEADER, BACKFILLED: BACKFILLED_HEADER}
        bits = sum(bit for bit, header in kinds.items() if header in record.headers)
        assert found.kind[i] == bits + (COPY if REPARTITIONED_HEADER in named else 0)
        for name, at, length in (
            (SOURCE_HEADER, found.source_at[i], found.source_length[i]),
            (FEATURES_HEADER, found.features_at[i], found.features_length[i]),
        ):
            value = None if length == MISSING else packed.buffer[at : at + length].tobytes()
            assert value == named.get(name)
        if found.partition[i] != MISSING:
            assert source_of(named[SOURCE_HEADER]) == (str(found.partition[i]), found.offset[i])


@given(_records, st.integers(0, 8))
def test_sources_are_followed_as_one_record_after_the_other(records: list[Record], cut: int) -> None:
    expected: dict[str, int] = {}
    new, refused = [], []
    for i, record in enumerate(records):
        named = dict(record.headers)
        source = source_of(named.get(SOURCE_HEADER))
        if source is None or FEATURES_HEADER not in named:
            refused.append(i)
        elif source[1] > expected.get(source[0], -1):
            expected[source[0]] = source[1]
            new.append(i)
    sources: dict[str, int] = {}
    packed, found, rejected = records_of(records), list[int](), list[int]()
    for begin, part in ((0, packed[:cut]), (cut, packed[cut:])):
        received = new_from_previous_stage(sources, part, headers_of(part))
        found += (received.positions + begin).tolist()
        rejected += [begin + rejection.position for rejection in received.refused]
    assert (found, rejected, sources) == (new, refused, expected)


def test_records_of_a_kind_are_found() -> None:
    records = [Record(k, 0, None, None, headers) for k, headers in enumerate([(), (CONTROL_HEADER,), (LABEL_HEADER,)])]
    assert indices_of(records_of(records), CONTROL).tolist() == [1]
    assert indices_of(records_of(records[:1]), CONTROL).tolist() == []


@pytest.mark.parametrize("text", [b"\xff\xff\xff\xff\xff\xff", b"\xc8\x01abc", b"\x02a\xfe\xff\xff\xff\x07"])
def test_headers_outside_the_buffer_are_refused(text: bytes) -> None:
    spans = Spans(*(np.zeros(1, np.int64) for _ in Spans._fields))
    spans.headers_count[0] = 1
    with pytest.raises(AssertionError, match="a header lies outside its buffer"):
        headers_of(Records(np.frombuffer(text + bytes(64), np.uint8), spans))
