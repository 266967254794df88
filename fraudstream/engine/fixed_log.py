"""Binary logarithms in integer arithmetic, so that no machine's floating-point library can change a bit of a result.

A logarithm is an integer number of 1/65,536 bits: `log2_fixed(8)` is 3 * 65,536.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.bits import leading_zeros
from fraudstream.compiled.jit import jit
from fraudstream.engine.arrays import Int64Array, UInt64Array

ONE: Final = 65_536  # one bit

_TABLE_BITS: Final = 11
_DIGITS: Final = 16
_LEADING: Final = np.uint64(63)


def _logarithms_between_one_and_two() -> Int64Array:
    """log2(1 + i / 2048) of i = 0 … 2048 in 1/65,536, rounded down: int64, shape (2049,).

    Digit by digit: squaring doubles the logarithm, and a square of 2 or more has the next digit 1.
    """
    mantissa: UInt64Array = (np.arange(1 << _TABLE_BITS, dtype=np.uint64) << np.uint64(20)) + np.uint64(1 << 31)
    table = np.zeros((1 << _TABLE_BITS) + 1, np.int64)
    for digit in range(1, _DIGITS + 1):
        mantissa = (mantissa * mantissa) >> np.uint64(31)
        carries = mantissa >= np.uint64(1 << 32)
        table[:-1] += carries.astype(np.int64) << (_DIGITS - digit)
        mantissa = np.where(carries, mantissa >> np.uint64(1), mantissa)
    table[-1] = ONE
    return table


_TABLE: Final = _logarithms_between_one_and_two()


@jit
def log2_fixed(x: int) -> int:
    """log2(x) of a positive integer below 2**63, in 1/65,536; off by less than 2/65,536, and never falling with x.

    Of 0 and less: 0.
    """
    if x <= 0:
        return 0
    zeros = leading_zeros(np.uint64(x))
    mantissa, exponent = np.uint64(x) << np.uint64(zeros), 63 - zeros
    fraction = mantissa & ((np.uint64(1) << _LEADING) - np.uint64(1))
    index = np.int64(fraction >> np.uint64(52))
    rest = np.int64((fraction >> np.uint64(36)) & np.uint64(0xFFFF))
    low, high = _TABLE[index], _TABLE[index + 1]
    return int(exponent * ONE + low + ((high - low) * rest >> np.int64(16)))


def log2_of(x: int) -> int:
    """`log2_fixed` in plain Python: for tables that are made at import, when nothing may be compiled."""
    if x <= 0:
        return 0
    exponent = x.bit_length() - 1
    fraction = (x << (63 - exponent)) & ((1 << 63) - 1)
    index, rest = fraction >> 52, (fraction >> 36) & 0xFFFF
    low, high = int(_TABLE[index]), int(_TABLE[index + 1])
    return exponent * ONE + low + ((high - low) * rest >> 16)
