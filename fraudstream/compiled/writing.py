"""Bytes and decimal numbers, written into a buffer by compiled code.

Each function returns the index after what it wrote. `memory.PADDING` bytes must follow that in the target, and what is
read in the source.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.jit import jit
from fraudstream.compiled.memory import PADDING, copy_block

_Bytes: TypeAlias = npt.NDArray[np.uint8]

_BLOCK, _ZERO, _MINUS = 32, 0x30, 0x2D


@jit
def put_bytes(target: _Bytes, to: int, source: _Bytes, at: int, length: int) -> int:
    """Copy `length` bytes, in blocks: up to 31 bytes after them are overwritten. The two may not overlap."""
    for begin in range(0, length, _BLOCK):
        copy_block(target, to + begin, source, at + begin)
    return to + length


@jit
def check_span(buffer: _Bytes, at: int, length: int) -> None:
    """Raises `ValueError` unless `length` bytes from `at` on, and `PADDING` bytes after them, lie in the buffer. A
    length below 1 stands for no bytes."""
    if length > 0 and not 0 <= at <= len(buffer) - PADDING - length:
        raise ValueError("a span lies outside its buffer")


@jit
def decimal_size(value: int) -> int:
    """How many bytes `put_decimal` writes."""
    if value < 0:
        return 1 + _digits(np.uint64(-value))
    return _digits(np.uint64(value))


@jit
def put_decimal(target: _Bytes, to: int, value: int) -> int:
    """Write a number above -2**63 in decimal digits."""
    if value < 0:
        target[to] = _MINUS
        to += 1
        rest = np.uint64(-value)
    else:
        rest = np.uint64(value)
    end = to + _digits(rest)
    for at in range(end - 1, to - 1, -1):
        tenth = rest // np.uint64(10)
        target[at] = np.uint8(np.uint64(_ZERO) + rest - tenth * np.uint64(10))
        rest = tenth
    return end


@jit
def _digits(value: np.uint64) -> int:
    count, bound = 1, np.uint64(10)
    while value >= bound and count < 19:
        count += 1
        bound *= np.uint64(10)
    return count
