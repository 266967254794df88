"""Shared by the aggregates with a window: which payments of the ring count.

`query` and `slots` are documented at `kernel_types.Query` and `arena.SLOT`.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arena import Slots
from fraudstream.engine.kernel_types import Query
from fraudstream.engine.ring import slot_in

NO_CODE = np.uint32(0)


@jit
def slot_of(query: Query, position: int) -> int:
    """The slot of the row's payment at `position`."""
    return slot_in(query.ring.block, query.ring.start, query.ring.room, position)


@jit
def passes(query: Query, slots: Slots, slot: int) -> bool:
    """Whether the payment in the slot passes the feature's filter."""
    return bool((slots.mask[slot] & query.filter_bits) == query.filter_bits)


@jit
def matches(query: Query, slots: Slots, slot: int) -> bool:
    """Whether it passes the filter and agrees with the current payment in the `same` field, if there is one."""
    return bool(
        (slots.mask[slot] & query.filter_bits) == query.filter_bits
        and (query.same < 0 or slots.code[slot, query.same] == query.same_code)
    )


@jit
def sum_amounts(query: Query, slots: Slots) -> tuple[int, int]:
    """Count and sum of the amounts in the window, in minor units of the current payment's currency; exact integers.

    The current payment is included if it counts.
    """
    n, total = 0, 0
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if matches(query, slots, slot) and slots.currency[slot] == query.payment.currency:
            n += 1
            total += slots.amount[slot]
    if query.counts:
        n += 1
        total += query.payment.amount
    return n, total
