"""`share`: the share of the window's payments that have a label."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate, PaneCells
from fraudstream.engine.aggregates.operands import LABEL
from fraudstream.engine.aggregates.panes import add_panes
from fraudstream.engine.aggregates.window import matches, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE, Panes, Query
from fraudstream.engine.ring import CELL_COUNT, CELL_FRAUD, CELL_GENUINE

SHARE = 7


@jit
def answer_share(query: Query, slots: Slots, panes: Panes) -> tuple[float, int]:
    """From 0 to 1; 0 if there are no payments; missing where the payment lacks the `same` field. Beyond the ring:
    PANE where panes cover the window. AT_LEAST where they don't, or where labels may be missing, because they found no
    payment."""
    if query.lacks_same:
        return np.nan, EXACT
    error = EXACT
    if query.labels_lost or (query.window.overflowed and not query.panes_cover):
        error = AT_LEAST
    elif query.window.overflowed:
        error = PANE
    n, labelled = 0, 0
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if matches(query, slots, slot):
            n += 1
            if slots.label[slot] == query.of:
                labelled += 1
    if query.counts:
        n += 1
    count, value = float(n), float(labelled)
    if query.panes_cover:
        _, count, value, _ = add_panes(query, panes, count, value)
    return value / count if count > 0.0 else 0.0, error


DEFINITIONS = (
    Aggregate(
        SHARE,
        "share",
        "the share of the payments with that label, from 0 to 1",
        Type.NUMBER,
        answer_share,
        LABEL,
        panes=PaneCells(CELL_COUNT, (CELL_FRAUD, CELL_GENUINE)),
        reads_labels=True,
    ),
)
