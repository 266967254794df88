"""`min` and `max` of amounts in the current payment's currency."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate, PaneCells
from fraudstream.engine.aggregates.operands import AMOUNT
from fraudstream.engine.aggregates.panes import pane_extreme
from fraudstream.engine.aggregates.window import matches, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE, Panes, Query
from fraudstream.engine.ring import CELL_AMOUNTS, CELL_MAX, CELL_MIN

MIN, MAX = 3, 4


@jit
def _ring_extreme(query: Query, slots: Slots, largest: bool) -> float:
    """The smallest (`largest`: the largest) amount of the ring's payments in the window and of the current payment if
    it counts, in minor units; NaN if there is none."""
    n, extreme = 0, 0
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if not matches(query, slots, slot) or slots.currency[slot] != query.payment.currency:
            continue
        amount = slots.amount[slot]
        if n == 0 or (amount > extreme if largest else amount < extreme):
            extreme = amount
        n += 1
    if query.counts:
        if n == 0 or (query.payment.amount > extreme if largest else query.payment.amount < extreme):
            extreme = query.payment.amount
        n += 1
    return float(extreme) if n > 0 else np.nan


@jit
def _answer_extreme(query: Query, slots: Slots, panes: Panes, largest: bool) -> tuple[float, int]:
    """`answer_min` and, with `largest`, `answer_max`."""
    if query.lacks_same:
        return np.nan, EXACT
    extreme = _ring_extreme(query, slots, largest)
    if query.panes_cover:
        return pane_extreme(query, panes, extreme, largest), PANE
    return extreme, AT_LEAST if query.window.overflowed else EXACT


@jit
def answer_min(query: Query, slots: Slots, panes: Panes) -> tuple[float, int]:
    """Smallest amount in minor units; missing if there is none, or where the payment lacks the `same` field. Beyond the
    ring: PANE or AT_LEAST."""
    return _answer_extreme(query, slots, panes, False)


@jit
def answer_max(query: Query, slots: Slots, panes: Panes) -> tuple[float, int]:
    """Largest amount in minor units; missing if there is none, or where the payment lacks the `same` field. Beyond the
    ring: PANE or AT_LEAST."""
    return _answer_extreme(query, slots, panes, True)


DEFINITIONS = (
    Aggregate(
        MIN,
        "min",
        "the smallest amount; missing if there is none",
        Type.MONEY,
        answer_min,
        AMOUNT,
        panes=PaneCells(CELL_AMOUNTS, (CELL_MIN,)),
    ),
    Aggregate(
        MAX,
        "max",
        "the largest amount; missing if there is none",
        Type.MONEY,
        answer_max,
        AMOUNT,
        panes=PaneCells(CELL_AMOUNTS, (CELL_MAX,)),
    ),
)
