"""Operations of a program that compute numbers: loops over a block's rows, to the bit as numpy computes them.

All rows are float64 of one length; NaN is missing. The bits of a NaN may differ from numpy's.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arrays import Float64Array
from fraudstream.engine.program.operations import (
    ABSOLUTE,
    ADD,
    BURST,
    COPY,
    DIVIDE,
    MAXIMUM,
    MINIMUM,
    MULTIPLY,
    NEGATIVE,
    QUOTIENT,
    RARITY,
    ROUND_DOWN,
    SHARE,
    SUBTRACT,
)
from fraudstream.engine.surprisal import burst, rarity


@jit
def compute(operation: int, out: Float64Array, left: Float64Array, right: Float64Array) -> None:
    """Write the row that `operation` computes into `out`; `right` is not read where it takes one number."""
    if operation == ADD:
        for i in range(len(out)):
            out[i] = left[i] + right[i]
    elif operation == SUBTRACT:
        for i in range(len(out)):
            out[i] = left[i] - right[i]
    elif operation == MULTIPLY:
        for i in range(len(out)):
            out[i] = left[i] * right[i]
    elif operation == DIVIDE:
        for i in range(len(out)):
            out[i] = np.divide(left[i], right[i])  # unlike `/`, infinite or NaN by zero, as in arrays
    elif operation == QUOTIENT:
        for i in range(len(out)):
            out[i] = np.divide(left[i], right[i]) if right[i] != 0.0 else np.nan
    elif operation == MINIMUM:
        for i in range(len(out)):
            out[i] = left[i] if left[i] < right[i] or np.isnan(left[i]) else right[i]
    elif operation == MAXIMUM:
        for i in range(len(out)):
            out[i] = left[i] if left[i] > right[i] or np.isnan(left[i]) else right[i]
    elif operation == ROUND_DOWN:
        for i in range(len(out)):
            out[i] = _floor_of_quotient(left[i], right[i]) * right[i] if right[i] > 0.0 else np.nan
    elif operation == ABSOLUTE:
        for i in range(len(out)):
            out[i] = abs(left[i])
    elif operation == NEGATIVE:
        for i in range(len(out)):
            out[i] = -left[i]
    elif operation == COPY:
        for i in range(len(out)):
            out[i] = left[i]
    elif operation == RARITY:
        for i in range(len(out)):
            out[i] = rarity(left[i], right[i])
    elif operation == BURST:
        for i in range(len(out)):
            out[i] = burst(left[i], right[i])
    elif operation == SHARE:
        for i in range(len(out)):
            out[i] = 1.0 if left[i] > 1.0 else (left[i] if left[i] > 0.0 else 0.0)


@jit
def to_minor_units(out: Float64Array, major: Float64Array, minor_per_major: Float64Array) -> None:
    """Amounts in minor units, to the nearest, half to even."""
    for i in range(len(out)):
        out[i] = np.rint(major[i] * minor_per_major[i])


@jit
def _floor_of_quotient(value: np.float64, step: np.float64) -> np.float64:
    """`numpy.floor_divide(value, step)` for a step above 0.

    Exact where the quotient, rounded, would reach the next whole number: Python's algorithm (`float.__floordiv__`),
    which numpy uses for arrays. Numba's own `floor_divide` rounds the quotient down, which is not the same.
    """
    remainder = np.fmod(value, step)
    quotient = (value - remainder) / step
    if remainder < 0.0:
        quotient -= 1.0
    whole: np.float64 = np.floor(quotient)
    if quotient == 0.0:
        whole = np.copysign(0.0, value)
    elif quotient - whole > 0.5:
        whole = whole + 1.0
    return whole
