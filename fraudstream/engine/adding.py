"""Adds a payment to its row, once its features are answered. Compiled; called by the kernel.

    payment ──► ring, in its place by event time ──► the oldest leaves a full ring for the overflow
        └──► older than what a full ring holds: the overflow

The arrays are documented in `arena` and `kernel_types`; `row` is an index in `Rows`, `slot` in `Slots`, `i` in
`Events`.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arena import (
    FIELDS_MAX,
    HEADER_DIRTY,
    OVERFLOW_DIRTY,
    SLOTS_USED,
    Overflows,
    Rows,
    Slots,
    Tops,
)
from fraudstream.engine.kernel_types import CAPTURE, FRESH, LATE, UNRELATED, Events, KernelPlan
from fraudstream.engine.published_amount import published_amount, published_currency
from fraudstream.engine.relations import is_counted
from fraudstream.engine.ring import (
    add_to_overflow,
    copy_slot,
    left_at_floor,
    mark,
    overflow_of,
    raise_floor,
    resize,
    slot_at,
)


@jit
def add_payment(
    plan: KernelPlan,
    events: Events,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
    tops: Tops,
    row: int,
    i: int,
    original: np.uint64,
) -> int:
    """Add payment `i` to its row: to the ring, or to the overflow if it is older than what a full ring holds. Returns
    its status, FRESH or LATE. `original`: of a capture, digest of the payment's event_id.

    Invariant: the ring holds every payment of the row that occurred after `floor_ms`, and of those at `floor_ms` the
    log's last ones, ordered by event time and, for equal times, by the order of the log.
    """
    t = events.t[i]
    late = is_late(plan, events, rows, overflows, row, i)
    if late and plan.guards:
        return LATE
    mark(rows, tops, row, HEADER_DIRTY)
    if events.relation[i] == UNRELATED:
        rows.first_ms[row] = min(rows.first_ms[row], t)
    if rows.held[row] == rows.room[row] and not late and _may_grow(plan, rows, slots, row, t):
        _grow(plan, rows, slots, tops, row)
    full = rows.held[row] == rows.room[row]
    if late or (full and t < slots.t[slot_at(rows, row, 0)]):
        free = tops.used[SLOTS_USED]  # a slot outside all blocks, as a buffer
        _write(slots, free, events, i, original)
        _evict(plan, rows, slots, overflows, tops, row, free)
        slots.dirty[free] = False
        return LATE if late else FRESH
    if full:
        oldest = slot_at(rows, row, 0)
        _evict(plan, rows, slots, overflows, tops, row, oldest)
        rows.uncounted[row] -= 0 if is_counted(slots, oldest) else 1
        rows.start[row] = (rows.start[row] + 1) % rows.room[row]
        rows.held[row] -= 1
    slot = _insert(rows, slots, row, t)
    _write(slots, slot, events, i, original)
    rows.uncounted[row] += 0 if is_counted(slots, slot) else 1
    if plan.keeps_verdicts:
        slots.score[slot] = -(i + 1)
    return FRESH


@jit
def is_late(plan: KernelPlan, events: Events, rows: Rows, overflows: Overflows, row: int, i: int) -> bool:
    """Whether the row cannot place payment `i`: it is from before the floor, or, where repeats are detected, a copy of
    a payment that left at the floor."""
    t, floor_ms = events.t[i], rows.floor_ms[row]
    if t != floor_ms or not plan.guards:
        return bool(t < floor_ms)
    return left_at_floor(overflows, rows.overflow[row], events.event[i])


@jit
def _insert(rows: Rows, slots: Slots, row: int, t: int) -> int:
    """Make room in a ring that is not full for a payment at time `t`, after those of that time; returns its slot."""
    position = rows.held[row]
    rows.held[row] += 1
    while position > 0 and slots.t[slot_at(rows, row, position - 1)] > t:
        copy_slot(slots, slot_at(rows, row, position - 1), slot_at(rows, row, position))
        position -= 1
    return slot_at(rows, row, position)


@jit
def _may_grow(plan: KernelPlan, rows: Rows, slots: Slots, row: int, t: int) -> bool:
    """Whether a full ring grows instead of evicting its oldest payment: an exact window may still need that one, and a
    larger block exists."""
    if rows.held[row] == 0:
        return True
    newest_ms = max(t, slots.t[slot_at(rows, row, rows.held[row] - 1)])
    young = newest_ms - slots.t[slot_at(rows, row, 0)] < plan.horizon_ms
    return bool(young and rows.room[row] < plan.sizes[len(plan.sizes) - 1])


@jit
def _grow(plan: KernelPlan, rows: Rows, slots: Slots, tops: Tops, row: int) -> None:
    """Give the row a block of the next larger size."""
    larger = 0
    while plan.sizes[larger] <= rows.room[row]:
        larger += 1
    resize(rows, slots, tops, plan.sizes, row, plan.sizes[larger])


@jit
def _evict(plan: KernelPlan, rows: Rows, slots: Slots, overflows: Overflows, tops: Tops, row: int, slot: int) -> None:
    """Record the payment in the slot in the row's overflow and raise the floor; the caller frees the slot."""
    overflow = overflow_of(rows, tops, row)
    add_to_overflow(plan, overflows, overflow, slots, slot)
    raise_floor(rows, overflows, row, overflow, slots.t[slot], slots.event[slot])
    mark(rows, tops, row, OVERFLOW_DIRTY)


@jit
def _write(slots: Slots, slot: int, events: Events, i: int, original: np.uint64) -> None:
    """Copy payment `i` into the slot, without label and verdict. `original`: as of `_add`.

    Invariant: a slot that does not count holds amount and currency as they were published.
    """
    slots.t[slot] = events.t[i]
    slots.event[slot] = events.event[i]
    if events.relation[i] == UNRELATED:
        slots.amount[slot], slots.currency[slot] = events.amount[i], events.currency[i]
        slots.original[slot] = events.published[i]
    else:
        slots.amount[slot] = published_amount(events.published[i], events.amount[i])
        slots.currency[slot] = np.uint16(published_currency(events.published[i], events.currency[i]))
        slots.original[slot] = original if events.relation[i] == CAPTURE else np.uint64(0)
    slots.mask[slot] = events.mask[i]
    slots.label[slot] = 0
    slots.labelled_ms[slot] = 0
    slots.score[slot] = 0
    slots.verdict[slot] = 0
    for field in range(FIELDS_MAX):
        slots.code[slot, field] = events.code[i, field]
    slots.location[slot, 0] = events.location[i, 0]
    slots.location[slot, 1] = events.location[i, 1]
    slots.dirty[slot] = True
