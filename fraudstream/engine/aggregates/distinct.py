"""`distinct`: how many different values of a field the window holds."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.operands import KEY_FIELD
from fraudstream.engine.aggregates.window import NO_CODE, matches, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, Query, Scratch

DISTINCT = 6


@jit
def answer_distinct(query: Query, slots: Slots, scratch: Scratch) -> tuple[float, int]:
    """Number of different codes, 0 or more; missing where the payment lacks the `same` field. Beyond the ring:
    AT_LEAST. Overwrites the hash set of `scratch`."""
    error = AT_LEAST if query.window.overflowed else EXACT
    if query.lacks_same:
        return np.nan, error
    scratch.now[0] += 1
    n = 0
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if matches(query, slots, slot):
            n += _added(scratch, slots.code[slot, query.of])
    if query.counts:
        n += _added(scratch, query.code)
    return float(n), error


@jit
def _added(scratch: Scratch, code: np.uint32) -> int:
    """1 if the code was not yet in the set, to which it is added, else 0. The missing code is never counted."""
    if code == NO_CODE:
        return 0
    mask = len(scratch.key) - 1
    bucket = int(code) & mask
    while scratch.stamp[bucket] == scratch.now[0]:
        if scratch.key[bucket] == code:
            return 0
        bucket = (bucket + 1) & mask
    scratch.stamp[bucket] = scratch.now[0]
    scratch.key[bucket] = code
    return 1


DEFINITIONS = (
    Aggregate(DISTINCT, "distinct", "how many different values the field had", Type.NUMBER, answer_distinct, KEY_FIELD),
)
