"""`last`: the value of a code field in the last payment that had one.

The answer is the value's 32-bit code. `code_tables` gives its text, and with it the digest that rules compare with the
payment's own field (`country != account.last_country`) and with words. Standard texts never share a code.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.operands import CODE_FIELD
from fraudstream.engine.aggregates.window import NO_CODE, passes, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, Query

LAST = 14


@jit
def answer_last(query: Query, slots: Slots) -> tuple[float, int]:
    """The code, exact in a float64; missing if there is none. AT_LEAST: a payment that left the ring may be the last
    one."""
    for position in range(query.window.high - 1, -1, -1):
        slot = slot_of(query, position)
        code = slots.code[slot, query.of]
        if code != NO_CODE and passes(query, slots, slot):
            return float(code), EXACT
    return np.nan, AT_LEAST if query.ring.overflow >= 0 else EXACT


DEFINITIONS = (
    Aggregate(
        LAST,
        "last",
        "the field's value in the last payment that had one; missing if there is none",
        Type.TEXT,
        answer_last,
        CODE_FIELD,
        windowed=False,
        takes_same=False,
        takes_delay=False,
    ),
)
