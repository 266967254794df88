"""`first_seen`: whether the window holds no earlier payment with the current payment's value of a field."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.operands import KEY_FIELD
from fraudstream.engine.aggregates.window import NO_CODE, passes, slot_of
from fraudstream.engine.arena import EVICTED_VALUES_MAX, Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, UNCORRECTED, Evicted, Query

FIRST_SEEN = 9


@jit
def answer_first_seen(query: Query, slots: Slots, evicted: Evicted) -> tuple[float, int]:
    """1.0 if the value is new, 0.0 if it was seen; missing where the payment has no value.

    0.0 is right, but UNCORRECTED where the payment that had the value may have been taken back since it left the ring.
    1.0 is AT_LEAST where the overflow may have dropped the value, or holds only a later time.
    """
    if query.code == NO_CODE:
        return np.nan, EXACT
    for position in range(query.window.high - 1, query.window.low - 1, -1):
        slot = slot_of(query, position)
        if slots.code[slot, query.of] == query.code and passes(query, slots, slot):
            return 0.0, EXACT
    if query.window.overflowed:
        return _evicted_answer(query, evicted)
    return 1.0, EXACT


@jit
def _evicted_answer(query: Query, evicted: Evicted) -> tuple[float, int]:
    """The answer from the values that left the ring, where none in the ring is the current payment's."""
    overflow, column, error = query.ring.overflow, query.overflow_column, EXACT
    for n in range(EVICTED_VALUES_MAX):
        newest_ms = evicted.newest_ms[overflow, column, n]
        if evicted.code[overflow, column, n] == query.code and newest_ms > query.window.since_ms:
            if newest_ms <= query.payment.t:
                return 0.0, UNCORRECTED if evicted.uncorrected_ms[overflow] >= newest_ms else EXACT
            error = AT_LEAST  # this payment is late, and only the newest time is kept: there may be earlier ones
    if evicted.floor_ms[overflow, column] > query.window.since_ms:
        error = AT_LEAST
    return 1.0, error


DEFINITIONS = (
    Aggregate(
        FIRST_SEEN,
        "first_seen",
        "whether the payment's value of the field is new to the window",
        Type.BOOL,
        answer_first_seen,
        KEY_FIELD,
        takes_same=False,
        takes_delay=False,
        keeps_evicted_values=True,
    ),
)
