"""`sum` and `mean` of amounts in the current payment's currency."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate, PaneCells
from fraudstream.engine.aggregates.operands import AMOUNT
from fraudstream.engine.aggregates.panes import add_panes
from fraudstream.engine.aggregates.window import sum_amounts
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE, Panes, Query
from fraudstream.engine.ring import CELL_AMOUNTS, CELL_SUM

SUM, MEAN = 1, 2


@jit
def answer_sum(query: Query, slots: Slots, panes: Panes) -> tuple[float, int]:
    """Sum of amounts in minor units, 0 if there is none; missing where the payment lacks the `same` field. Beyond the
    ring: PANE or AT_LEAST."""
    if query.lacks_same:
        return np.nan, EXACT
    n, total = sum_amounts(query, slots)
    if query.panes_cover:
        return add_panes(query, panes, float(n), float(total))[2], PANE
    return float(total), AT_LEAST if query.window.overflowed else EXACT


@jit
def answer_mean(query: Query, slots: Slots, panes: Panes) -> tuple[float, int]:
    """Mean amount in minor units, not rounded; missing if there is none, or where the payment lacks the `same` field.
    Beyond the ring: PANE or AT_LEAST."""
    if query.lacks_same:
        return np.nan, EXACT
    n, total = sum_amounts(query, slots)
    count, value, error = float(n), float(total), AT_LEAST if query.window.overflowed else EXACT
    if query.panes_cover:
        _, count, value, _ = add_panes(query, panes, count, value)
        error = PANE
    return value / count if count > 0.0 else np.nan, error


_CELLS = PaneCells(CELL_AMOUNTS, (CELL_SUM,))

DEFINITIONS = (
    Aggregate(SUM, "sum", "the sum of the amounts", Type.MONEY, answer_sum, AMOUNT, panes=_CELLS),
    Aggregate(MEAN, "mean", "their mean; missing if there is none", Type.MONEY, answer_mean, AMOUNT, panes=_CELLS),
)
