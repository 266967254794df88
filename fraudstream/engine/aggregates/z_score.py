"""`z_score`: how many deviations the payment's amount, or its logarithm, lies above the mean of earlier payments.

With n earlier payments of mean m and sum of squared distances S, a prior deviation d and a strength of k payments, the
score of x is

    n / (n + k) * (x - m) / sqrt((S + k * d**2) / (n + k))

The variance is drawn towards the prior one with the weight of k payments, and the distance from the mean towards 0, as
if the first k payments had been of this payment's own amount: 0 where nothing is known, and small while little is. The
part that is missing, k / (n + k), is the weight that a score from peers should have.
Source: Gelman et al., "Bayesian Data Analysis", 3rd edition, section 3.3 (conjugate prior of a normal distribution).

Logarithms are integers, whose sums are exact below 2**53. Squares of amounts are summed in float64, oldest first.
"""

from __future__ import annotations

import math

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate, PaneCells, Prior
from fraudstream.engine.aggregates.operands import SIZE
from fraudstream.engine.aggregates.panes import add_panes
from fraudstream.engine.aggregates.window import matches, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, LOG_AMOUNT, PANE, Panes, Query
from fraudstream.engine.log_amount import LOG_UNIT, log_amount
from fraudstream.engine.ring import CELL_AMOUNTS, CELL_LOG_SQUARES, CELL_LOGS, CELL_SQUARES, CELL_SUM

Z_SCORE = 15


@jit
def answer_z_score(query: Query, slots: Slots, panes: Panes) -> tuple[float, int]:
    """The score; 0 if there are no earlier payments; missing where all deviations are 0 and the prior one too, or where
    the payment lacks the `same` field. The payment itself never counts. Beyond the ring: PANE or AT_LEAST."""
    if query.lacks_same:
        return np.nan, EXACT
    count, value, squares = _sums(query, slots)
    error = AT_LEAST if query.window.overflowed else EXACT
    if query.panes_cover:
        error = PANE
        _, count, value, of_panes = add_panes(query, panes, count, value)
        squares += of_panes
    if count <= 0.0:
        return 0.0, error
    mean = value / count
    deviation = query.prior * (LOG_UNIT if query.of == LOG_AMOUNT else mean)
    known = count + query.strength
    variance = (max(squares - value * mean, 0.0) + query.strength * deviation * deviation) / known
    if variance <= 0.0:
        return np.nan, error
    distance = float(_size(query, query.payment.amount)) - mean
    return count / known * distance / math.sqrt(variance), error


@jit
def _sums(query: Query, slots: Slots) -> tuple[float, float, float]:
    """Count, sum and sum of squares of the ring's payments in the window, in the current payment's currency."""
    n, total, squares = 0, 0, 0.0
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if matches(query, slots, slot) and slots.currency[slot] == query.payment.currency:
            size = _size(query, slots.amount[slot])
            n += 1
            total += size
            squares += float(size) * float(size)
    return float(n), float(total), squares


@jit
def _size(query: Query, amount: int) -> int:
    """What the feature is of: the amount in minor units, or its logarithm."""
    return log_amount(amount) if query.of == LOG_AMOUNT else amount


DEFINITIONS = (
    Aggregate(
        Z_SCORE,
        "z_score",
        "how many deviations the payment lies above the mean of earlier ones, drawn towards 0 while they are few; "
        "`prior`: the deviation expected before any, in doublings of the amount, with `of: amount` a share of the mean",
        Type.NUMBER,
        answer_z_score,
        SIZE,
        panes=PaneCells(CELL_AMOUNTS, (CELL_SUM, CELL_LOGS), (CELL_SQUARES, CELL_LOG_SQUARES)),
        prior=Prior(1.0, 100.0, 5),
    ),
)
