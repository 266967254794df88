"""Numbers of variable length are read and written as aiokafka does, compiled and as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiokafka.record.util import decode_varint_py, encode_varint_py, size_of_varint_py
from hypothesis import example, given
from hypothesis import strategies as st

from fraudstream.compiled.jit import entry_point
from fraudstream.engine.arrays import UInt8Array
from fraudstream.kafka.record_batch import varint

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


@entry_point
def _read(data: UInt8Array, at: int) -> tuple[int, int]:
    return varint.read_varint(data, at)


@entry_point
def _put(data: UInt8Array, at: int, value: int) -> int:
    return varint.put_varint(data, at, value)


@entry_point
def _size(value: int) -> int:
    return varint.varint_size(value)


def _both(compiled: Any, function: Any) -> list[Callable[..., Any]]:
    """The compiled function, and the same as plain Python."""
    return [compiled, getattr(function, "py_func", function)]


READ, PUT, SIZE = _both(_read, varint.read_varint), _both(_put, varint.put_varint), _both(_size, varint.varint_size)


@given(st.integers(INT64_MIN, INT64_MAX) | st.integers(-70_000, 70_000), st.integers(0, 3))
@example(INT64_MIN, 0)
@example(INT64_MAX, 0)
@example(-1, 0)
def test_a_number_is_written_as_aiokafka_writes_it_and_read_back(value: int, at: int) -> None:
    expected = bytearray()
    encode_varint_py(value, expected.append)
    for put, size, read in zip(PUT, SIZE, READ, strict=True):
        data = np.zeros(at + varint.VARINT_BYTES_MAX + 3, np.uint8)
        after = put(data, at, np.int64(value))
        assert data[at:after].tobytes() == bytes(expected)
        assert after - at == size(np.int64(value)) == size_of_varint_py(value)
        assert read(data, at) == (value, after)


@given(st.binary(min_size=varint.VARINT_BYTES_MAX, max_size=20))
@example(b"\x80" * 9 + b"\x01")
@example(b"\x80\x00" + bytes(8))
def test_any_bytes_are_read_as_aiokafka_reads_them_or_are_no_number(content: bytes) -> None:
    data = np.frombuffer(content, np.uint8)
    try:
        value, after = decode_varint_py(bytearray(content))
    except ValueError:
        expected = (0, varint.MALFORMED)
    else:
        unsigned = (value << 1 if value >= 0 else (~value << 1) | 1) & (2**64 - 1)  # aiokafka keeps more than 64 bits
        expected = (unsigned >> 1) ^ -(unsigned & 1), after
    assert [read(data, 0) for read in READ] == [expected, expected]


def test_a_number_that_never_ends_is_malformed() -> None:
    data = np.full(20, 0xFF, np.uint8)
    assert [read(data, 0) for read in READ] == [(0, varint.MALFORMED)] * 2


@pytest.mark.parametrize("value", [0, -1, 63, -64, 64])
def test_short_numbers_take_the_bytes_that_the_format_says(value: int) -> None:
    assert _size(value) == (1 if -64 <= value < 64 else 2)
