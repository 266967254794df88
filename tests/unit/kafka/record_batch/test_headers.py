"""Header sections that compiled code writes are those of the headers as objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.compiled.packed import pack
from fraudstream.kafka.record_batch.headers import header_pieces, numbered_headers
from fraudstream.kafka.record_batch.outgoing import header_section

headers = st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=80)), max_size=3)
numbers = st.integers(-(2**63) + 1, 2**63 - 1)


@given(
    st.text(max_size=90),
    st.binary(max_size=90),
    st.none() | st.text(max_size=90),
    st.lists(headers, min_size=1, max_size=3),
    st.data(),
)
def test_sections_are_those_of_the_same_headers_as_objects(
    name: str, prefix: bytes, values_name: str | None, further: list[list[tuple[str, bytes]]], data: st.DataObject
) -> None:
    rows = data.draw(
        st.lists(st.tuples(numbers, st.binary(max_size=200), st.integers(0, len(further) - 1)), max_size=20)
    )
    pieces = header_pieces(name, prefix, values_name, tuple(further))
    sections = numbered_headers(
        pieces,
        np.array([number for number, _, _ in rows], np.int64),
        pack(value for _, value, _ in rows) if values_name is not None else None,
        np.array([choice for _, _, choice in rows], np.int64),
    )
    assert sections.strings() == [
        header_section(
            [
                (name, prefix + b"%d" % number),
                *([(values_name, value)] if values_name is not None else []),
                *further[choice],
            ]
        )
        for number, value, choice in rows
    ]


def test_without_a_choice_a_record_has_the_first() -> None:
    pieces = header_pieces("source", b"3:", further=((("a", b"b"),), ()))
    assert numbered_headers(pieces, np.array([7])).strings() == [header_section([("source", b"3:7"), ("a", b"b")])]


@pytest.mark.parametrize("choice", [-1, 1])
def test_a_choice_that_does_not_exist_is_refused(choice: int) -> None:
    with pytest.raises(ValueError, match="no such choice"):
        numbered_headers(header_pieces("source", b"3:"), np.array([7]), choice=np.array([choice]))


def test_too_few_values_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in number"):
        numbered_headers(header_pieces("source", b"3:", "features"), np.array([7, 8]), pack([b"x"]))
