"""Integers of variable length, as Kafka's record format has them: zigzag-encoded, 7 bits a byte, the lowest first.

Source: https://protobuf.dev/programming-guides/encoding/#signed-ints
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.jit import jit

VARINT_BYTES_MAX: Final = 10  # of an int64
MALFORMED: Final = -1  # instead of an index: no number ends within `VARINT_BYTES_MAX` bytes

_Bytes: TypeAlias = npt.NDArray[np.uint8]


@jit
def read_varint(data: _Bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and the index after it; 0 and `MALFORMED` if no number is there.

    Reads up to `VARINT_BYTES_MAX` bytes: as many must follow the end of what is read. Whether the number ends within
    it is for the caller to check.
    """
    byte = np.uint64(data[at])
    if byte < 0x80:
        return _signed(byte), at + 1
    bits = byte & np.uint64(0x7F)
    for k in range(1, VARINT_BYTES_MAX):
        byte = np.uint64(data[at + k])
        bits |= (byte & np.uint64(0x7F)) << np.uint64(7 * k)
        if byte < 0x80:
            return _signed(bits), at + k + 1
    return 0, MALFORMED


@jit
def put_varint(data: _Bytes, at: int, value: int) -> int:
    """Write a number from index `at` on; returns the index after it, `varint_size` bytes further."""
    rest = _zigzag(value)
    while rest >= np.uint64(0x80):
        data[at] = np.uint8(rest & np.uint64(0x7F) | np.uint64(0x80))
        rest >>= np.uint64(7)
        at += 1
    data[at] = np.uint8(rest)
    return at + 1


@jit
def varint_size(value: int) -> int:
    """The bytes that `put_varint` writes for a number: 1 to `VARINT_BYTES_MAX`."""
    rest, size = _zigzag(value), 1
    while rest >= np.uint64(0x80):
        rest >>= np.uint64(7)
        size += 1
    return size


@jit
def _zigzag(value: int) -> np.uint64:
    """The number without a sign: 0, -1, 1, -2, … become 0, 1, 2, 3, …"""
    signed = np.int64(value)
    return np.uint64((signed << np.int64(1)) ^ (signed >> np.int64(63)))


@jit
def _signed(zigzag: np.uint64) -> int:
    """The number that `_zigzag` made this one of."""
    return int(np.int64(zigzag >> np.uint64(1))) ^ -int(np.int64(zigzag & np.uint64(1)))
