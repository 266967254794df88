"""Answers from panes, for a window whose payments have left the ring.

A pane that lies across an end of the window counts as a whole, so the answer covers up to one pane more at each end.
Call these only where `query.panes_cover`.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arena import NEVER
from fraudstream.engine.kernel_types import Panes, Query


@jit
def _overlaps(query: Query, pane: int) -> bool:
    """Whether there is a pane of this number, NEVER for none, and it overlaps the window."""
    begin_ms = pane * query.pane_ms
    return bool(
        pane != NEVER and begin_ms <= query.window.until_ms and begin_ms + query.pane_ms - 1 > query.window.since_ms
    )


@jit
def add_panes(query: Query, panes: Panes, count: float, value: float) -> tuple[bool, float, float, float]:
    """The ring's `count` and `value` with those of the overlapping panes added: (any pane overlapped, count, value, sum
    of squared amounts of the panes alone). Sums of integers, exact below 2**53."""
    cell_n, cell_v, cell_q = query.cells
    squares, found = 0.0, False
    for index in range(panes.number.shape[1]):
        if _overlaps(query, panes.number[query.ring.overflow, index]):
            found = True
            count += panes.cell[query.ring.overflow, index, cell_n]
            if cell_v >= 0:
                value += panes.cell[query.ring.overflow, index, cell_v]
            if cell_q >= 0:
                squares += panes.cell[query.ring.overflow, index, cell_q]
    return found, count, value, squares


@jit
def pane_extreme(query: Query, panes: Panes, extreme: float, largest: bool) -> float:
    """The smallest (`largest`: the largest) of `extreme` and the overlapping panes' extremes; NaN means none."""
    for index in range(panes.number.shape[1]):
        if not _overlaps(query, panes.number[query.ring.overflow, index]):
            continue
        of_pane = panes.cell[query.ring.overflow, index, query.cells[1]]
        if np.isnan(of_pane):
            continue
        if np.isnan(extreme) or (of_pane > extreme if largest else of_pane < extreme):
            extreme = of_pane
    return extreme
