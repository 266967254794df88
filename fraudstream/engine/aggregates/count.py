"""`count`: how many payments the window holds."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate, PaneCells
from fraudstream.engine.aggregates.panes import add_panes
from fraudstream.engine.aggregates.window import matches, slot_of
from fraudstream.engine.arena import COUNTED, Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE, Panes, Query
from fraudstream.engine.ring import CELL_COUNT

COUNT = 0


@jit
def answer_count(query: Query, slots: Slots, panes: Panes) -> tuple[float, int]:
    """Number of payments, 0 or more; missing where the payment lacks the `same` field. Beyond the ring: PANE or
    AT_LEAST."""
    if query.lacks_same:
        return np.nan, EXACT
    n = 0
    if query.filter_bits == COUNTED and query.same < 0 and query.ring.uncounted == 0:
        n = query.window.high - query.window.low
    else:
        for position in range(query.window.low, query.window.high):
            if matches(query, slots, slot_of(query, position)):
                n += 1
    if query.counts:
        n += 1
    if query.panes_cover:
        return add_panes(query, panes, float(n), 0.0)[1], PANE
    return float(n), AT_LEAST if query.window.overflowed else EXACT


DEFINITIONS = (Aggregate(COUNT, "count", "how many payments", Type.NUMBER, answer_count, panes=PaneCells(CELL_COUNT)),)
