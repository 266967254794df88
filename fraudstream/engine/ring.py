"""The ring of a row: its payments in order of event time, how they are found, and how evicted ones are kept in the
overflow. Compiled; called by the kernel, the answer functions and `saved`.

A block of `size` slots begins at `base`; its oldest payment is at `start`, the others follow and wrap around:

    base           start                base + size
      │ newest │ free │ oldest │  …  │  …  │

A *position* counts the row's payments from the oldest, 0; a *slot* is an index in `Slots`. The arrays are documented in
`arena`; `row` is an index in `Rows`, `overflow` an index in `Overflows`, times are ms since the epoch, UTC.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.arena import (
    COUNTED,
    DIRTY_ROWS,
    EVICTED_VALUES_MAX,
    OVERFLOWS_USED,
    SLOTS_USED,
    Overflows,
    Rows,
    Slots,
    Tops,
)
from fraudstream.engine.arrays import Int32Array, Int64Array
from fraudstream.engine.kernel_types import KernelPlan
from fraudstream.engine.log_amount import log_amount

# What a cell of a pane holds. COUNT, GENUINE, FRAUD: payments (with that label); the others look only at payments in
# the overflow's currency: AMOUNTS their number, SUM, SQUARES, MIN and MAX of their amounts in minor units, LOGS and
# LOG_SQUARES the sums of `log_amount` and of its square.
CELL_COUNT, CELL_SUM, CELL_SQUARES, CELL_MIN, CELL_MAX, CELL_GENUINE, CELL_FRAUD, CELL_AMOUNTS = range(8)
CELL_LOGS, CELL_LOG_SQUARES = 8, 9

GENUINE, FRAUD = 1, 2  # labels of a slot; 0 unknown


@jit
def slot_at(rows: Rows, row: int, position: int) -> int:
    """The slot of the row's payment at `position`, from 0 to `held`; `held` gives the free slot after the newest."""
    return slot_in(rows.block[row], rows.start[row], rows.room[row], position)


@jit
def slot_in(block: int, start: int, room: int, position: int) -> int:
    """As `slot_at`, of a block of `room` slots that begins at slot `block`, its oldest payment at index `start`."""
    index = start + position
    if index >= room:
        index -= room
    return int(block + index)


@jit
def held_until(rows: Rows, slots: Slots, row: int, t: int) -> int:
    """How many of the ring's payments occurred at or before `t`: the position after the last of them. Mostly that is
    all of them or none, so the ends come first."""
    low, high = 0, rows.held[row]
    if high == 0 or slots.t[slot_at(rows, row, high - 1)] <= t:
        return int(high)
    if slots.t[slot_at(rows, row, 0)] > t:
        return 0
    while low < high:
        middle = (low + high) // 2
        if slots.t[slot_at(rows, row, middle)] <= t:
            low = middle + 1
        else:
            high = middle
    return int(low)


@jit
def find(rows: Rows, slots: Slots, row: int, event: np.uint64) -> int:
    """The slot of the payment with this digest of event_id, or -1. Searches from the newest."""
    for position in range(rows.held[row] - 1, -1, -1):
        slot = slot_at(rows, row, position)
        if slots.event[slot] == event:
            return slot
    return -1


@jit
def find_at(rows: Rows, slots: Slots, row: int, event: np.uint64, t: int) -> int:
    """As `find`, among the payments of event time `t` only."""
    position = held_until(rows, slots, row, t) - 1
    while position >= 0:
        slot = slot_at(rows, row, position)
        if slots.t[slot] != t:
            return -1
        if slots.event[slot] == event:
            return slot
        position -= 1
    return -1


@jit
def mark(rows: Rows, tops: Tops, row: int, what: int) -> None:
    """Note that the row changed since the last checkpoint. `what`: HEADER_DIRTY or OVERFLOW_DIRTY."""
    if rows.dirty[row] == 0:
        tops.stack[tops.used[DIRTY_ROWS]] = row
        tops.used[DIRTY_ROWS] += 1
    rows.dirty[row] |= np.uint8(what)


@jit
def copy_slot(slots: Slots, source: int, target: int) -> None:
    """Copy one payment to another slot, which becomes dirty."""
    slots[target] = slots[source]
    slots.dirty[target] = True


@jit
def resize(rows: Rows, slots: Slots, tops: Tops, sizes: Int32Array, row: int, size: int) -> None:
    """Move the row's payments, in order, to the beginning of a block of `size` slots.

    `sizes`: int32, the block sizes, which contain `size` and the row's present one. The old block is put on the free
    list of its size. The caller has made sure that `size` slots are free.
    """
    index = 0
    while sizes[index] != size:
        index += 1
    base = tops.free[index]
    if base >= 0:
        tops.free[index] = slots.t[base]
    else:
        base = tops.used[SLOTS_USED]
        tops.used[SLOTS_USED] += size
    for position in range(rows.held[row]):
        copy_slot(slots, slot_at(rows, row, position), base + position)
    if rows.room[row] > 0:
        index = 0
        while sizes[index] != rows.room[row]:
            index += 1
        old = rows.block[row]
        slots.t[old] = tops.free[index]
        tops.free[index] = old
    rows.block[row] = base
    rows.room[row] = size
    rows.start[row] = 0


@entry_point
def resize_all(rows: Rows, slots: Slots, tops: Tops, sizes: Int32Array, which: Int64Array, room: Int64Array) -> None:
    """`resize` each row of `which` that has fewer slots than `room` says. `which`, `room`: int64, shape (n,); each room
    is one of `sizes`. The caller has made sure that all of them are free."""
    for i in range(len(which)):
        if room[i] > rows.room[which[i]]:
            resize(rows, slots, tops, sizes, which[i], room[i])


@jit
def overflow_of(rows: Rows, tops: Tops, row: int) -> int:
    """The row's overflow; a new one if it has none. The caller has made sure that one is free."""
    if rows.overflow[row] < 0:
        rows.overflow[row] = tops.used[OVERFLOWS_USED]
        tops.used[OVERFLOWS_USED] += 1
    return int(rows.overflow[row])


@jit
def add_to_overflow(plan: KernelPlan, overflows: Overflows, overflow: int, slots: Slots, slot: int) -> None:
    """Record an evicted payment in the overflow: in its pane's cells, the last times, and the evicted values. A slot
    that does not count leaves nothing there.

    Invariant: what the overflow holds depends on which payments were evicted and in which order, not on batches.
    """
    if (slots.mask[slot] & COUNTED) == np.uint32(0):
        return
    if len(plan.cell_kind):
        _add_to_pane(plan, overflows, overflow, slots, slot)
    t, mask = slots.t[slot], slots.mask[slot]
    for column in range(len(plan.last_time_filter)):
        filter_bits = plan.last_time_filter[column]
        if (mask & filter_bits) == filter_bits and t > overflows.last_ms[overflow, column]:
            overflows.last_ms[overflow, column] = t
    for column in range(len(plan.evicted_field)):
        filter_bits = plan.evicted_filter[column]
        code = slots.code[slot, plan.evicted_field[column]]
        if code != np.uint32(0) and (mask & filter_bits) == filter_bits:
            _keep_value(overflows, overflow, column, code, t)


@jit
def raise_floor(rows: Rows, overflows: Overflows, row: int, overflow: int, t: int, event: np.uint64) -> None:
    """Note that a payment of event time `t` left the row: raise the floor to it. `event`: digest of its event_id.

    Invariant: entries of `floor_event` beyond those in use are 0, so a restored row has the same bytes.
    """
    width = overflows.floor_event.shape[1]
    if t > rows.floor_ms[row]:
        rows.floor_ms[row] = t
        for n in range(min(overflows.floor_count[overflow], width)):
            overflows.floor_event[overflow, n] = 0
        overflows.floor_count[overflow] = 0
    if t == rows.floor_ms[row]:
        if width > 0:
            overflows.floor_event[overflow, overflows.floor_count[overflow] % width] = _half(event)
        overflows.floor_count[overflow] += 1


@jit
def left_at_floor(overflows: Overflows, overflow: int, event: np.uint64) -> bool:
    """Whether a payment at the floor is a copy of one that left the ring there, as far as the overflow knows them.
    `event`: digest of its event_id."""
    for n in range(min(overflows.floor_count[overflow], overflows.floor_event.shape[1])):
        if overflows.floor_event[overflow, n] == _half(event):
            return True
    return False


@jit
def _half(event: np.uint64) -> np.uint32:
    """The lower half of a digest."""
    return np.uint32(event & np.uint64(0xFFFFFFFF))


@jit
def _add_to_pane(plan: KernelPlan, overflows: Overflows, overflow: int, slots: Slots, slot: int) -> None:
    """Add the payment to its pane, unless a newer pane has already replaced it.

    Pane number p is held at index p % panes, so a newer pane replaces the one that is `panes` older.
    """
    pane = slots.t[slot] // plan.pane_ms
    pane_index = pane % overflows.pane.shape[1]
    if overflows.pane[overflow, pane_index] < pane:
        overflows.pane[overflow, pane_index] = pane
        for cell in range(len(plan.cell_kind)):
            empty = np.nan if plan.cell_kind[cell] in (CELL_MIN, CELL_MAX) else 0.0
            overflows.cell[overflow, pane_index, cell] = empty
    if overflows.pane[overflow, pane_index] != pane:
        return
    overflows.dirty[overflow, pane_index] = True
    if overflows.currency[overflow] == 0:
        overflows.currency[overflow] = slots.currency[slot]
    same_currency = overflows.currency[overflow] == slots.currency[slot]
    for cell in range(len(plan.cell_kind)):
        if (slots.mask[slot] & plan.cell_filter[cell]) == plan.cell_filter[cell]:
            overflows.cell[overflow, pane_index, cell] = _cell_with(
                plan.cell_kind[cell],
                overflows.cell[overflow, pane_index, cell],
                slots.amount[slot],
                slots.label[slot],
                same_currency,
            )


@jit
def _cell_with(kind: int, value: float, amount: int, label: np.int8, same_currency: bool) -> float:
    """A cell's new value after one more payment. `amount`: minor units. Amounts of another currency are left out."""
    if kind == CELL_COUNT:
        return value + 1.0
    if kind == CELL_FRAUD:
        return value + 1.0 if label == FRAUD else value
    if kind == CELL_GENUINE:
        return value + 1.0 if label == GENUINE else value
    if not same_currency:
        return value
    if kind == CELL_AMOUNTS:
        return value + 1.0
    if kind == CELL_SUM:
        return value + float(amount)
    if kind == CELL_SQUARES:
        return value + float(amount) * float(amount)
    if kind == CELL_LOGS:
        return value + float(log_amount(amount))
    if kind == CELL_LOG_SQUARES:
        return value + float(log_amount(amount)) * float(log_amount(amount))
    if kind == CELL_MIN:
        return float(amount) if np.isnan(value) or amount < value else value
    return float(amount) if np.isnan(value) or amount > value else value


@jit
def _keep_value(overflows: Overflows, overflow: int, column: int, code: np.uint32, t: int) -> None:
    """Keep the newest time of an evicted value.

    Invariant: the EVICTED_VALUES_MAX values with the newest times are held; no value that was dropped has a time above
    `evicted_value_floor_ms`.
    """
    codes, times_ms = overflows.evicted_value, overflows.evicted_value_ms
    oldest = 0
    for n in range(EVICTED_VALUES_MAX):
        if codes[overflow, column, n] == code:
            times_ms[overflow, column, n] = max(times_ms[overflow, column, n], t)
            return
        if times_ms[overflow, column, n] < times_ms[overflow, column, oldest]:
            oldest = n
    if codes[overflow, column, oldest] != np.uint32(0):
        dropped_ms = min(t, times_ms[overflow, column, oldest])
        floor_ms = overflows.evicted_value_floor_ms[overflow, column]
        overflows.evicted_value_floor_ms[overflow, column] = max(floor_ms, dropped_ms)
        if dropped_ms == t:
            return
    codes[overflow, column, oldest] = code
    times_ms[overflow, column, oldest] = t
