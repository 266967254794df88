"""`since_last` and `age`: the time since the last and since the first payment."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.window import passes, slot_of
from fraudstream.engine.arena import NEVER, Slots
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, UNCORRECTED, Query

SINCE_LAST, AGE = 8, 12


@jit
def answer_since_last(query: Query, slots: Slots, last_ms: Int64Array, uncorrected_ms: Int64Array) -> tuple[float, int]:
    """Milliseconds since the last payment that passes the filter; missing if there is none. AT_LEAST where only later
    ones are known to have left the ring; UNCORRECTED where that one may have been taken back since.

    `last_ms`, `uncorrected_ms`: as in `Overflows`, int64, shapes (overflows, last_times) and (overflows,).
    """
    for position in range(query.window.high - 1, -1, -1):
        slot = slot_of(query, position)
        if passes(query, slots, slot):
            return float(query.payment.t - slots.t[slot]), EXACT
    if query.ring.overflow < 0:
        return np.nan, EXACT
    evicted_ms = last_ms[query.ring.overflow, query.overflow_column]
    if evicted_ms > query.payment.t:
        return np.nan, AT_LEAST
    if evicted_ms == NEVER:
        return np.nan, EXACT
    return float(query.payment.t - evicted_ms), UNCORRECTED if uncorrected_ms[
        query.ring.overflow
    ] >= evicted_ms else EXACT


@jit
def answer_age(query: Query) -> tuple[float, int]:
    """Milliseconds since the row's first payment, taken back or not; 0 for the first one. Always exact.

    A row without payments has a `first_ms` after all times, which gives 0 too.
    """
    return float(max(0, query.payment.t - query.ring.first_ms)), EXACT


DEFINITIONS = (
    Aggregate(
        SINCE_LAST,
        "since_last",
        "the time since the last payment; missing if there is none",
        Type.DURATION,
        answer_since_last,
        windowed=False,
        takes_same=False,
        takes_delay=False,
        keeps_last_time=True,
    ),
    Aggregate(
        AGE,
        "age",
        "the time since the first payment, 0 for the first",
        Type.DURATION,
        answer_age,
        windowed=False,
        takes_same=False,
        takes_delay=False,
        takes_where=False,
    ),
)
