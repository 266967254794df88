"""Compiled writing gives what Python's own formatting gives, and reads nothing outside a buffer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fraudstream.compiled import writing
from fraudstream.compiled.jit import entry_point
from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import join, pack, repeated
from fraudstream.engine.arrays import UInt8Array


@entry_point
def _decimal(out: UInt8Array, value: int) -> tuple[int, int]:
    return writing.put_decimal(out, 0, value), writing.decimal_size(value)


@entry_point
def _bytes(out: UInt8Array, to: int, source: UInt8Array, at: int, length: int) -> int:
    return writing.put_bytes(out, to, source, at, length)


@entry_point
def _check(buffer: UInt8Array, at: int, length: int) -> None:
    writing.check_span(buffer, at, length)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
@example(0)
@example(9)
@example(10)
@example(-(2**63) + 1)
@example(2**63 - 1)
@example(10**18)
def test_a_number_is_written_in_its_digits(value: int) -> None:
    out = np.zeros(20 + PADDING, np.uint8)
    end, size = _decimal(out, value)
    assert out[:end].tobytes() == str(value).encode()
    assert size == end


@given(st.binary(max_size=200), st.integers(0, 40), st.data())
def test_bytes_are_copied_between_any_offsets(content: bytes, to: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content)))
    source = np.frombuffer(bytearray(content + bytes(PADDING)), np.uint8)
    out = np.zeros(to + 200 + PADDING, np.uint8)
    end = _bytes(out, to, source, at, len(content) - at)
    assert out[:end].tobytes() == bytes(to) + content[at:]


@pytest.mark.parametrize(("at", "length"), [(-1, 2), (0, 11), (10, 1), (2**62, 2**62)])
def test_a_span_outside_its_buffer_is_refused(at: int, length: int) -> None:
    buffer = np.zeros(10 + PADDING, np.uint8)
    with pytest.raises(ValueError, match="outside its buffer"):
        _check(buffer, at, length)
    _check(buffer, 0, 10)
    _check(buffer, 99, -1)


@given(st.lists(st.none() | st.binary(max_size=50)), st.lists(st.none() | st.binary(max_size=50)), st.data())
def test_packed_strings_are_chosen_and_joined_as_lists_are(
    strings: list[bytes | None], others: list[bytes | None], data: st.DataObject
) -> None:
    packed = pack(strings)
    assert packed.strings() == strings
    assert join([packed, pack(others)]).strings() == strings + others
    rows = data.draw(st.lists(st.integers(0, len(strings) - 1))) if strings else []
    assert packed.rows(np.array(rows, np.int64)).strings() == [strings[row] for row in rows]


def test_a_repeated_string_is_held_once() -> None:
    packed = repeated(b"same", 1000)
    assert packed.strings() == [b"same"] * 1000
    assert len(packed.buffer) == 4 + PADDING
