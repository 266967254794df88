"""`std`: the population standard deviation of amounts in the current payment's currency.

Over the ring alone it is computed in two passes, sqrt(sum((x - mean)**2) / n): no cancellation. With panes, which hold
sums only, it is sqrt(sum(x**2) / n - mean**2), which cancels: its relative error is about 2**-52 * (mean / std)**2, and
more where the squares of a pane sum to over 2**53. That is well below the error of the panes themselves unless the
amounts are nearly equal; then the difference may come out negative and 0 is answered.
Source: Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician 37(3), 1983.
"""

from __future__ import annotations

import math

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate, PaneCells
from fraudstream.engine.aggregates.operands import AMOUNT
from fraudstream.engine.aggregates.panes import add_panes
from fraudstream.engine.aggregates.window import matches, slot_of, sum_amounts
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE, Panes, Query
from fraudstream.engine.ring import CELL_AMOUNTS, CELL_SQUARES, CELL_SUM

STD = 5


@jit
def _add_squares(query: Query, slots: Slots, center: float, squares: float) -> float:
    """`squares` plus (amount - center)**2 of each payment that counts, oldest first, the current payment last."""
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if matches(query, slots, slot) and slots.currency[slot] == query.payment.currency:
            distance = float(slots.amount[slot]) - center
            squares += distance * distance
    if query.counts:
        distance = float(query.payment.amount) - center
        squares += distance * distance
    return squares


@jit
def answer_std(query: Query, slots: Slots, panes: Panes) -> tuple[float, int]:
    """Standard deviation in minor units; 0 for one payment; missing if there is none, or where the payment lacks the
    `same` field. Beyond the ring: PANE or AT_LEAST."""
    if query.lacks_same:
        return np.nan, EXACT
    n, total = sum_amounts(query, slots)
    count, value, squares, paned = float(n), float(total), 0.0, False
    error = AT_LEAST if query.window.overflowed else EXACT
    if query.panes_cover:
        error = PANE
        paned, count, value, squares = add_panes(query, panes, count, value)
    if count <= 0.0:
        return np.nan, error
    mean = value / count
    squares = _add_squares(query, slots, 0.0 if paned else mean, squares)
    variance = squares / count - mean * mean if paned else squares / count
    return math.sqrt(max(variance, 0.0)), error


DEFINITIONS = (
    Aggregate(
        STD,
        "std",
        "their standard deviation (of the population); missing if there is none",
        Type.MONEY,
        answer_std,
        AMOUNT,
        panes=PaneCells(CELL_AMOUNTS, (CELL_SUM,), squares=(CELL_SQUARES,)),
    ),
)
