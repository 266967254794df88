"""`rarity`: how rare the payment's value of a field, or its time, is among earlier payments, in bits.

Of n earlier payments with a value, c with this payment's own: -log2((c + 1) / (n + 1)). A value that n payments did not
have has log2(n + 1) bits, so the answer is 0 where nothing is known and can be high only where much is. Integer counts
and an integer logarithm (`surprisal`), so the answer is the same on every machine.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.operands import VALUE_OR_TIME
from fraudstream.engine.aggregates.window import NO_CODE, matches, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.fixed_log import ONE
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, HOUR, WEEKDAY, Query
from fraudstream.engine.surprisal import rarity_bits

RARITY = 16

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_THURSDAY: Final = 3  # the epoch was a Thursday


@jit
def answer_rarity(query: Query, slots: Slots) -> tuple[float, int]:
    """Bits, 0 or more; missing where the payment has no value, or lacks the `same` field. The payment itself never
    counts, nor do payments without a value. Beyond the ring: AT_LEAST, among the payments still held."""
    if query.lacks_same or (query.of >= 0 and query.code == NO_CODE):
        return np.nan, EXACT
    whole, part = 0, 0
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if not matches(query, slots, slot):
            continue
        if query.of >= 0:
            code = slots.code[slot, query.of]
            whole += 1 if code != NO_CODE else 0
            part += 1 if code == query.code else 0
        else:
            whole += 1
            part += 1 if _agrees(query.of, slots.t[slot], query.payment.t) else 0
    return rarity_bits(part, whole) / ONE, AT_LEAST if query.window.overflowed else EXACT


@jit
def _agrees(of: int, one_ms: int, other_ms: int) -> bool:
    """Whether two times have the hour or the weekday in common, or are at most an hour apart on the clock; UTC."""
    if of == HOUR:
        return one_ms // _HOUR_MS % 24 == other_ms // _HOUR_MS % 24
    if of == WEEKDAY:
        return (one_ms // _DAY_MS + _THURSDAY) % 7 == (other_ms // _DAY_MS + _THURSDAY) % 7
    apart = (one_ms - other_ms) % _DAY_MS
    return min(apart, _DAY_MS - apart) <= _HOUR_MS


DEFINITIONS = (
    Aggregate(
        RARITY,
        "rarity",
        "how rare the payment's value is among earlier ones, in bits: -log2 of its share, this payment counted; 0 if "
        "there are none; `time_of_day`: at most an hour earlier or later on the clock",
        Type.NUMBER,
        answer_rarity,
        VALUE_OR_TIME,
    ),
)
