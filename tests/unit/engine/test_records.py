"""Packed records read back as the objects that they were made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fraudstream.compiled.packed import pack
from fraudstream.engine.records import Record, records_of

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


@given(st.lists(st.binary(max_size=40)))
def test_packed_strings_read_back_as_they_were(strings: list[bytes]) -> None:
    assert pack(strings).strings() == strings
