"""`median` of amounts in the current payment's currency.

Of an even number of amounts it is the lower of the two middle ones, so it is always an amount that was paid, in whole
minor units. Panes hold sums only, so there is no median beyond the ring.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.operands import AMOUNT
from fraudstream.engine.aggregates.window import matches, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, Query, Scratch

MEDIAN = 13


@jit
def answer_median(query: Query, slots: Slots, scratch: Scratch) -> tuple[float, int]:
    """Median amount in minor units; missing if there is none, or where the payment lacks the `same` field. Beyond the
    ring: AT_LEAST, the median of the payments still held. Overwrites `scratch.amount`."""
    if query.lacks_same:
        return np.nan, EXACT
    n = 0
    for position in range(query.window.low, query.window.high):
        slot = slot_of(query, position)
        if matches(query, slots, slot) and slots.currency[slot] == query.payment.currency:
            scratch.amount[n] = slots.amount[slot]
            n += 1
    if query.counts:
        scratch.amount[n] = query.payment.amount
        n += 1
    error = AT_LEAST if query.window.overflowed else EXACT
    return float(_lower_median(scratch.amount, n)) if n > 0 else np.nan, error


@jit
def _lower_median(values: Int64Array, n: int) -> int:
    """The lower median of the first `n` values, n >= 1; int64, reordered by the call.

    Keeps a heap of the smallest (n + 1) // 2 values with the largest of them, the median, on top: O(n log n) at worst,
    whatever amounts a customer chooses. Source: Knuth, The Art of Computer Programming 3, 5.2.3 (heaps).
    """
    size = (n + 1) // 2
    for root in range(size // 2 - 1, -1, -1):
        _sift_down(values, root, size)
    for i in range(size, n):
        if values[i] < values[0]:
            values[0] = values[i]
            _sift_down(values, 0, size)
    return int(values[0])


@jit
def _sift_down(heap: Int64Array, root: int, size: int) -> None:
    """Restore the heap order of the first `size` values (no parent below a child), violated at most at `root`."""
    value = heap[root]
    while 2 * root + 1 < size:
        child = 2 * root + 1
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= value:
            break
        heap[root] = heap[child]
        root = child
    heap[root] = value


DEFINITIONS = (
    Aggregate(
        MEDIAN,
        "median",
        "their median, of an even number the lower one; missing if there is none",
        Type.MONEY,
        answer_median,
        AMOUNT,
    ),
)
