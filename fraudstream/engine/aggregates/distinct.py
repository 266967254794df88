"""`distinct`: how many different values of a field the window holds."""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.operands import KEY_FIELD
from fraudstream.engine.aggregates.window import NO_CODE, matches, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, Query, Scratch

DISTINCT = 6

_HALF: Final = np.uint64(32)
_STAMP_MAX: Final = (1 << 32) - 1


@jit
def answer_distinct(query: Query, slots: Slots, scratch: Scratch) -> tuple[float, int]:
    """Number of different codes, 0 or more; missing where the payment lacks the `same` field. Beyond the ring:
    AT_LEAST. Overwrites the hash set of `scratch`."""
    error = AT_LEAST if query.window.overflowed else EXACT
    if query.lacks_same:
        return np.nan, error
    stamp = _emptied(scratch)
    n = 0
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if matches(query, slots, slot):
            n += _added(scratch, stamp, slots.code[slot, query.of])
    if query.counts:
        n += _added(scratch, stamp, query.code)
    return float(n), error


@jit
def _emptied(scratch: Scratch) -> np.uint64:
    """Empty the hash set; returns the stamp that its buckets in use have from now on, in the upper half."""
    scratch.now[0] += 1
    if scratch.now[0] > _STAMP_MAX:
        for at in range(len(scratch.bucket)):
            scratch.bucket[at] = np.uint64(0)
        scratch.now[0] = 1
    return np.uint64(scratch.now[0]) << _HALF


@jit
def _added(scratch: Scratch, stamp: np.uint64, code: np.uint32) -> int:
    """1 if the code was not yet in the set, to which it is added, else 0. The missing code is never counted."""
    if code == NO_CODE:
        return 0
    mask, entry = len(scratch.bucket) - 1, stamp | np.uint64(code)
    at = int(code) & mask
    while scratch.bucket[at] >> _HALF == stamp >> _HALF:
        if scratch.bucket[at] == entry:
            return 0
        at = (at + 1) & mask
    scratch.bucket[at] = entry
    return 1


DEFINITIONS = (
    Aggregate(DISTINCT, "distinct", "how many different values the field had", Type.NUMBER, answer_distinct, KEY_FIELD),
)
