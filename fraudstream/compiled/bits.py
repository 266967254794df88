"""What processors do with the bits of a word in one instruction, and numba has no function for.

With `NUMBA_DISABLE_JIT=1` they are plain Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from fraudstream.compiled.memory import chosen, typed_intrinsic


@typed_intrinsic
def _swap(_: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), generate


@typed_intrinsic
def _count_leading_zeros(_: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], context.get_constant(types.boolean, False))

    return types.uint64(types.uint64), generate


def _swapped(word: Any) -> Any:
    return _swap(word)


def _leading_zeros(word: Any) -> Any:
    return np.int64(_count_leading_zeros(word))


def _plain_swapped(word: Any) -> Any:
    return np.uint64(int.from_bytes(int(word).to_bytes(8, "little"), "big"))


def _plain_leading_zeros(word: Any) -> Any:
    return np.int64(64 - int(word).bit_length())


# swapped(word: uint64) -> uint64: its bytes in reverse order, as a big-endian number is read.
swapped = chosen(_swapped, _plain_swapped)
# leading_zeros(word: uint64) -> int64: how many zeros precede its highest bit; 64 of 0.
leading_zeros = chosen(_leading_zeros, _plain_leading_zeros)
