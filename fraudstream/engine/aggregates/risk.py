"""`risk` and `risk_last`: how often an entity's labelled payments turned out to be fraud.

With f frauds among n labelled payments, a prior share p and a strength of k payments, the risk is

    (f + k p) / (n + k)

the mean of the posterior of a share whose prior is Beta(k p, k (1 - p)). Without labelled payments it is p.
Source: Gelman et al., "Bayesian Data Analysis", 3rd edition, section 2.4.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate, PaneCells, Prior
from fraudstream.engine.aggregates.operands import FRAUD_LABEL
from fraudstream.engine.aggregates.panes import add_panes
from fraudstream.engine.aggregates.window import matches, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.arrays import UInt32Array
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE, Panes, Query
from fraudstream.engine.recent_labels import frauds_among
from fraudstream.engine.ring import CELL_FRAUD, CELL_GENUINE, FRAUD, GENUINE

RISK, RISK_LAST = 20, 21


@jit
def answer_risk(query: Query, slots: Slots, panes: Panes) -> tuple[float, int]:
    """From 0 to 1; missing where the payment lacks the `same` field. The payment itself never counts. Beyond the ring:
    PANE. AT_LEAST where panes do not cover the window, or labels may be missing, because they found no payment."""
    if query.lacks_same:
        return np.nan, EXACT
    genuine, frauds = 0, 0
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if matches(query, slots, slot):
            genuine += 1 if slots.label[slot] == GENUINE else 0
            frauds += 1 if slots.label[slot] == FRAUD else 0
    n, value, error = float(genuine), float(frauds), EXACT
    if query.panes_cover:
        error = PANE
        _, n, value, _ = add_panes(query, panes, n, value)
    if query.labels_lost or (query.window.overflowed and not query.panes_cover):
        error = AT_LEAST
    return (value + query.strength * query.prior) / (n + value + query.strength), error


@jit
def answer_risk_last(query: Query, recent: UInt32Array) -> tuple[float, int]:
    """The share of frauds, from 0 to 1; missing before the first label. Labels of payments older than the retention do
    not count. `recent`: as of `recent_labels`."""
    frauds, n = frauds_among(recent, query.row, query.last)
    return frauds / n if n else np.nan, EXACT


DEFINITIONS = (
    Aggregate(
        RISK,
        "risk",
        "the share of frauds among the labelled payments, drawn towards `prior` while they are few, from 0 to 1",
        Type.NUMBER,
        answer_risk,
        FRAUD_LABEL,
        panes=PaneCells(CELL_GENUINE, (CELL_FRAUD,)),
        reads_labels=True,
        prior=Prior(0.005, 1.0, 20),
    ),
    Aggregate(
        RISK_LAST,
        "risk_last",
        "the share of frauds among the last `last` labelled payments, in the order of their first labels, from 0 to 1; "
        "missing before the first label",
        Type.NUMBER,
        answer_risk_last,
        windowed=False,
        takes_same=False,
        takes_delay=False,
        takes_where=False,
        reads_labels=True,
        keeps_recent_labels=True,
    ),
)
