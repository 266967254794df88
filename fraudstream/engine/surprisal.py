"""How surprising a share or a count is, in bits: integer arithmetic, so that no machine changes a bit of it.

A bit is a halving of the probability: 10 bits are one payment in about a thousand. Numbers of bits are integers in
1/65,536, the unit of `fixed_log`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.arrays import Float64Array
from fraudstream.engine.fixed_log import ONE, log2_fixed

COUNT_MAX: Final = 1 << 20  # a count of a burst above it counts as this one, so that no product overflows
WHOLE_MAX: Final = 1 << 52  # the same of a share's counts

_EXPECTED_UNIT: Final = 1 << 20  # an expected number is an integer number of 1/1,048,576
_LOG2_E: Final = 94_548  # log2(e) in 1/65,536, rounded down


@jit
def rarity_bits(part: int, whole: int) -> int:
    """-log2((part + 1) / (whole + 1)), at least 0: what share `part` of `whole` payments is, this payment counted.

    0 where nothing is known. `part`, `whole`: 0 to `WHOLE_MAX`. Source: the p-value of a rank with this one counted,
    Phipson and Smyth, "Permutation P-values Should Never Be Zero", SAGMB 9(1), 2010.
    """
    return max(log2_fixed(whole + 1) - log2_fixed(part + 1), 0)


@jit
def burst_bits(count: int, expected: int) -> int:
    """-log2 of a bound of the probability of `count` or more payments where a Poisson process expects `expected`, in
    1/1,048,576; 0 if there are not more than expected. `count`: 0 to `COUNT_MAX`. `expected`: 1 or more.

    P(X >= x) <= exp(x - m) (m / x)**x for x > m, so it is x log2(x / m) - (x - m) log2(e). Sources: Legéndy and
    Salcman, "Bursts and Recurrences of Bursts", J. Neurophysiology 53(4), 1985 (Poisson surprise); Mitzenmacher and
    Upfal, "Probability and Computing", theorem 5.4 (the bound).
    """
    observed = count * _EXPECTED_UNIT
    if observed <= expected:
        return 0
    bits = count * (log2_fixed(observed) - log2_fixed(expected)) - ((observed - expected) * _LOG2_E) // _EXPECTED_UNIT
    return max(bits, 0)


@jit
def rarity(part: float, whole: float) -> float:
    """`rarity_bits` of two counts, rounded down, in bits; NaN where one is NaN. A count below 0 counts as 0."""
    if np.isnan(part) or np.isnan(whole):
        return np.nan
    return rarity_bits(_count(part, WHOLE_MAX), _count(whole, WHOLE_MAX)) / ONE


@jit
def burst(count: float, expected: float) -> float:
    """`burst_bits` of a count, rounded down, and an expected number, to the nearest 1/1,048,576, in bits; NaN where one
    is NaN or nothing is expected."""
    if np.isnan(count) or not expected > 0.0:
        return np.nan
    unit = float(_EXPECTED_UNIT)
    scaled = np.int64(np.rint(min(expected, float(COUNT_MAX)) * unit))
    return burst_bits(_count(count, COUNT_MAX), max(int(scaled), 1)) / ONE


@jit
def _count(value: float, most: int) -> int:
    """A number as a count from 0 to `most`, rounded down."""
    return int(np.int64(min(max(value, 0.0), float(most))))


@entry_point
def rarities(part: Float64Array, whole: Float64Array, out: Float64Array) -> None:
    """`rarity` of each pair; all float64, shape (n,)."""
    assert len(part) == len(whole) == len(out), "sizes differ"
    for i in range(len(out)):
        out[i] = rarity(part[i], whole[i])


@entry_point
def bursts(count: Float64Array, expected: Float64Array, out: Float64Array) -> None:
    """`burst` of each pair; all float64, shape (n,)."""
    assert len(count) == len(expected) == len(out), "sizes differ"
    for i in range(len(out)):
        out[i] = burst(count[i], expected[i])
