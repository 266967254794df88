"""Packed records read back as the objects that they were made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.compiled.packed import pack
from fraudstream.engine.records import NO_RECORDS, Record, joined, records_of

RECORDS = st.lists(
    st.builds(
        Record,
        offset=st.integers(0, 2**62),
        timestamp=st.integers(0, 2**62),
        key=st.none() | st.binary(max_size=80),
        value=st.none() | st.binary(max_size=300),
        headers=st.lists(st.tuples(st.text(max_size=70), st.binary(max_size=200)), max_size=3).map(tuple),
    ),
    max_size=8,
)


@given(RECORDS)
def test_records_read_back_as_they_were(records: list[Record]) -> None:
    packed = records_of(records)
    assert list(packed) == records
    assert list(packed[1:]) == records[1:]
    assert records_of(packed) is packed


@given(RECORDS, st.data())
def test_headers_of_some_records_are_those_of_the_records_themselves(
    records: list[Record], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.integers(0, len(records) - 1), max_size=8)) if records else []
    found = records_of(records).headers(np.array(rows, np.int64))
    assert found == [records[row].headers for row in rows]


@given(RECORDS, RECORDS, st.data())
def test_joined_records_read_as_both_one_after_the_other(
    first: list[Record], second: list[Record], data: st.DataObject
) -> None:
    """Also those of a part, whose spans lie in the buffer of all."""
    begin = data.draw(st.integers(0, len(first)))
    assert list(joined(records_of(first)[begin:], records_of(second))) == [*first[begin:], *second]


def test_records_since_an_offset_are_those_at_it_and_after_it() -> None:
    records = records_of([Record(offset, 0, None, b"value", ()) for offset in (3, 4, 7)])
    found = {offset: [record.offset for record in records.since(offset)] for offset in (0, 3, 4, 5, 8)}
    assert found == {0: [3, 4, 7], 3: [3, 4, 7], 4: [4, 7], 5: [7], 8: []}
    assert (records.first_offset, records.last_offset) == (3, 7)
    assert list(NO_RECORDS.since(3)) == []


def test_a_header_without_a_value_reads_as_an_empty_one() -> None:
    record = Record(0, 0, None, None, (("name", None), ("other", b"value")))  # type: ignore[arg-type]
    assert records_of([record])[0].headers == (("name", b""), ("other", b"value"))


@given(st.lists(st.binary(max_size=40)))
def test_packed_strings_read_back_as_they_were(strings: list[bytes]) -> None:
    assert pack(strings).strings() == strings
