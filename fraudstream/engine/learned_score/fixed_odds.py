"""Odds and probabilities in integer arithmetic: log odds in 1/65,536 bits, probabilities in 2**-30.

Log odds of z bits are odds of 2**z to 1, a probability of 1 / (1 + 2**-z). The tables are made of Python's integers,
so no machine's floating-point library can change a bit.
"""

from __future__ import annotations

from math import isqrt
from typing import Final

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.arrays import Int32Array, Int64Array
from fraudstream.engine.fixed_log import ONE, log2_of

PROBABILITY_BITS: Final = 30
CERTAIN: Final = 1 << PROBABILITY_BITS  # a probability of 1

_STEP_BITS: Final = 8  # steps of both tables: 1/256 bit
_REST: Final = (1 << _STEP_BITS) - 1
_SCALE_BITS: Final = 40  # of the powers that both are made of
_FARTHEST: Final = 17  # from here on, in bits, log2(1 + 2**-d) is below half a unit


def _negative_powers(steps: int) -> list[int]:
    """2**(40 - i / 256) of i = 0 … steps, rounded down: a 256th root is eight square roots. From 256 on they are those
    before, halved: a shift of what is rounded down is rounded down."""
    roots = []
    for i in range(256):
        power = 1 << (256 * _SCALE_BITS - i)
        for _ in range(_STEP_BITS):
            power = isqrt(power)
        roots.append(power)
    return [roots[i & _REST] >> (i >> _STEP_BITS) for i in range(steps + 1)]


_NEGATIVE_POWERS: Final = _negative_powers(_FARTHEST * 256)
# 2**-(i / 256) of i = 0 … 256 as probabilities, and log2(1 + 2**-(i / 256)) of i = 0 … 17 * 256 in 1/65,536
_POWERS: Final = np.array([power >> (_SCALE_BITS - PROBABILITY_BITS) for power in _NEGATIVE_POWERS[:257]], np.int64)
_SUMS: Final = np.array([log2_of((1 << _SCALE_BITS) + p) - _SCALE_BITS * ONE for p in _NEGATIVE_POWERS], np.int64)


@jit
def power_of_minus(bits: int) -> int:
    """2**-bits as a probability. `bits`: 0 or more, in 1/65,536. Never rises with `bits`."""
    whole, fraction = bits >> 16, bits & 0xFFFF
    if whole > PROBABILITY_BITS:
        return 0
    index, rest = fraction >> _STEP_BITS, fraction & _REST
    high, low = _POWERS[index], _POWERS[index + 1]
    return int((high - ((high - low) * rest >> _STEP_BITS)) >> whole)


@jit
def log2_of_sum(a: int, b: int) -> int:
    """log2(2**a + 2**b); all in 1/65,536 bits, off by less than 4/65,536."""
    larger, apart = max(a, b), abs(a - b)
    if apart >= _FARTHEST * ONE:
        return larger
    index, rest = apart >> _STEP_BITS, apart & _REST
    high, low = _SUMS[index], _SUMS[index + 1]
    return int(larger + high - ((high - low) * rest >> _STEP_BITS))


@jit
def probability(log_odds: int) -> int:
    """1 / (1 + 2**-log_odds), in 2**-30: 0 to `CERTAIN`. `log_odds`: 1/65,536 bits. Never falls with them."""
    if log_odds >= 0:
        return (CERTAIN << PROBABILITY_BITS) // (CERTAIN + power_of_minus(log_odds))
    odds = power_of_minus(-log_odds)
    return (odds << PROBABILITY_BITS) // (CERTAIN + odds)


@jit
def points_of(log_odds: int, points_max: int) -> int:
    """The probability in `points_max`-ths, rounded down. Never falls with `log_odds`, which are in 1/65,536 bits."""
    return int(probability(log_odds) * points_max >> PROBABILITY_BITS)


@entry_point
def points_of_log_odds(log_odds: Int64Array, points_max: int, points: Int32Array) -> None:
    """Write `points_of` of n log odds: int64 and int32, shape (n,)."""
    assert len(log_odds) == len(points), "sizes differ"
    for i in range(len(log_odds)):
        points[i] = points_of(log_odds[i], points_max)
