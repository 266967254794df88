"""Operations of a program that compute truths: loops over a block's rows.

A truth is 0 or 1, uint8. What is neither true nor false is 0 both in the row that says where a condition is true and in
the one that says where it is false, as in `expression.nodes`.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arrays import Float64Array, UInt8Array, UInt64Array
from fraudstream.engine.program.operations import AND, AND_NOT, EQUAL, LESS, LESS_EQUAL, NOT, OR, UNEQUAL


@jit
def compare(operation: int, out: UInt8Array, left: Float64Array, right: Float64Array) -> None:
    """Write where the comparison of two numbers holds; it does not where one is NaN."""
    if operation == LESS:
        for i in range(len(out)):
            out[i] = left[i] < right[i]
    elif operation == LESS_EQUAL:
        for i in range(len(out)):
            out[i] = left[i] <= right[i]
    elif operation == EQUAL:
        for i in range(len(out)):
            out[i] = left[i] == right[i]
    elif operation == UNEQUAL:
        for i in range(len(out)):
            out[i] = (left[i] < right[i]) | (left[i] > right[i])


@jit
def connect(operation: int, out: UInt8Array, left: UInt8Array, right: UInt8Array, always: int) -> None:
    """Write the truth that `operation` makes of two; `ALWAYS` writes `always`."""
    if operation == AND:
        for i in range(len(out)):
            out[i] = left[i] & right[i]
    elif operation == OR:
        for i in range(len(out)):
            out[i] = left[i] | right[i]
    elif operation == AND_NOT:
        for i in range(len(out)):
            out[i] = left[i] & ~right[i]
    elif operation == NOT:
        for i in range(len(out)):
            out[i] = left[i] ^ 1
    else:
        for i in range(len(out)):
            out[i] = always


@jit
def has_text(out: UInt8Array, digests: UInt64Array) -> None:
    """Write where a text is not missing."""
    for i in range(len(out)):
        out[i] = digests[i] != np.uint64(0)


@jit
def same_text(out: UInt8Array, left: UInt64Array, right: UInt64Array) -> None:
    """Write where two digests are equal, those of missing texts included."""
    for i in range(len(out)):
        out[i] = left[i] == right[i]


@jit
def one_of(out: UInt8Array, digests: UInt64Array, words: UInt64Array) -> None:
    """Write where a digest is one of `words`, of which there is at least one."""
    for i in range(len(out)):
        out[i] = digests[i] == words[0]
    for k in range(1, len(words)):
        word = words[k]
        for i in range(len(out)):
            out[i] |= digests[i] == word
