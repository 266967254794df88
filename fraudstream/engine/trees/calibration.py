"""From the sum of the trees to a probability, by an integer table: straight lines between knots that never fall.

Sums are in 2**-40 and probabilities in millionths. Integer arithmetic decides, so equal sums are equal everywhere, and
a higher sum never has a lower probability.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from fraudstream.compiled.jit import entry_point
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.trees.ensemble import VALUE_BITS, EnsembleError

MILLION: Final = 1_000_000
KNOTS_MAX: Final = 4_096

_STEP_BITS: Final = 20  # sums are compared with knots in 2**-20, so that products stay below 2**63
_DROPPED: Final = VALUE_BITS - _STEP_BITS
_KNOT_MAX: Final = 1 << 40


class Calibration(NamedTuple):
    """`knot`: sums in 2**-20, rising; `millionths`: the probability at each; int64, shape (knots,)."""

    knot: Int64Array
    millionths: Int64Array


def check_calibration(table: Calibration) -> None:
    """Check that the table is one. Raises `EnsembleError`."""
    if not 2 <= len(table.knot) <= KNOTS_MAX or table.knot.shape != table.millionths.shape:
        raise EnsembleError(f"a calibration has 2 to {KNOTS_MAX:,} knots, each with its millionths.")
    if (np.diff(table.knot) <= 0).any() or (table.knot < -_KNOT_MAX).any() or (table.knot > _KNOT_MAX).any():
        raise EnsembleError("the knots of a calibration must rise, between -2**40 and 2**40.")
    if (np.diff(table.millionths) < 0).any() or table.millionths[0] < 0 or table.millionths[-1] > MILLION:
        raise EnsembleError("the millionths of a calibration must not fall, between 0 and 1,000,000.")


def logistic_table(slope: float = 1.0, offset: float = 0.0) -> Calibration:
    """The table of 1 / (1 + exp(-(slope * sum + offset))), as of Platt scaling. `sum`: in log odds, not in 2**-40.

    Knots are a quarter apart in the exponent and reach to where the probability rounds to 0 or to 1. Raises
    `EnsembleError` for a slope of 0, below, or so small that no sum would reach the outer knots. Source: Platt,
    "Probabilistic outputs for support vector machines", 1999.

    >>> table = logistic_table()
    >>> points_of(np.array([0]), table, 10_000).tolist()
    [5000]
    """
    if not (slope > 0.0 and math.isfinite(slope) and math.isfinite(offset)):
        raise EnsembleError(f"a slope of {slope} and an offset of {offset}: the slope must be above 0, both finite.")
    exponents = np.arange(-60, 61) / 4.0
    knots = np.rint((exponents - offset) / slope * float(1 << _STEP_BITS)).astype(np.int64)
    millionths = np.rint(MILLION / (1.0 + np.exp(-exponents))).astype(np.int64)
    table = Calibration(knots, np.clip(millionths, 0, MILLION))
    check_calibration(table)
    return table


def points_of(sums: Int64Array, table: Calibration, points_max: int) -> Int64Array:
    """Points, each in [0, points_max], of sums in 2**-40: int64, in the shape of `sums`."""
    flat = np.ascontiguousarray(sums).reshape(-1)
    points = np.empty(len(flat), np.int64)
    write_points(flat, table.knot, table.millionths, points_max, points)
    return points.reshape(sums.shape)


@entry_point
def write_points(
    sums: Int64Array, knot: Int64Array, millionths: Int64Array, points_max: int, points: Int64Array
) -> None:
    """As `points_of`, into `points`: int64, shape (n,). `knot`, `millionths`: of a `Calibration`."""
    last = len(knot) - 1
    for i in range(len(sums)):
        at = sums[i] >> np.int64(_DROPPED)
        if at <= knot[0]:
            found = millionths[0]
        elif at >= knot[last]:
            found = millionths[last]
        else:
            low, high = 0, last  # knot[low] < at < knot[high] or equal to the low one
            while high - low > 1:
                middle = (low + high) >> 1
                if knot[middle] <= at:
                    low = middle
                else:
                    high = middle
            rise, width = millionths[high] - millionths[low], knot[high] - knot[low]
            found = millionths[low] + (at - knot[low]) * rise // width
        points[i] = found * points_max // np.int64(MILLION)
