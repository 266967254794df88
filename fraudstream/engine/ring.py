"""The ring of a row: its payments in order of event time, found, added and let go. Compiled; called by the kernel only.

A block of `size` slots begins at `base`; its oldest payment stands at `start`, the others follow round the end:

    base           start                base + size
      │ newest │ free │ oldest │  …  │  …  │
"""

from __future__ import annotations

import numpy as np

from fraudstream.engine.arena import (
    DIRTY_ROWS,
    EVICTED_VALUES_MAX,
    OVERFLOWS_USED,
    Overflows,
    Rows,
    Slots,
    Tops,
)
from fraudstream.engine.arena import SLOTS_USED as _SLOTS_USED
from fraudstream.engine.arrays import Int32Array, Int64Array, UInt32Array
from fraudstream.engine.jit import jit

CELL_COUNT, CELL_SUM, CELL_SQUARES, CELL_MIN, CELL_MAX, CELL_GENUINE, CELL_FRAUD, CELL_AMOUNTS = range(8)


@jit
def slot_at(rows: Rows, row: int, position: int) -> int:
    """The slot of the row's payment number `position`, counted from the oldest."""
    place = rows.start[row] + position
    if place >= rows.room[row]:
        place -= rows.room[row]
    return int(rows.block[row] + place)


@jit
def held_until(rows: Rows, slots: Slots, row: int, t: int) -> int:
    """How many of the row's payments lie at or before `t`."""
    low, high = 0, rows.held[row]
    while low < high:
        middle = (low + high) // 2
        if slots.t[slot_at(rows, row, middle)] <= t:
            low = middle + 1
        else:
            high = middle
    return int(low)


@jit
def find(rows: Rows, slots: Slots, row: int, event: np.uint64) -> int:
    """The slot that holds the payment with this digest, or -1. The newest are looked at first."""
    for position in range(rows.held[row] - 1, -1, -1):
        slot = slot_at(rows, row, position)
        if slots.event[slot] == event:
            return slot
    return -1


@jit
def find_at(rows: Rows, slots: Slots, row: int, event: np.uint64, t: int) -> int:
    """As `find`, among the payments of time `t` alone."""
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
    """The row has changed since the last checkpoint."""
    if rows.dirty[row] == 0:
        tops.stack[tops.used[DIRTY_ROWS]] = row
        tops.used[DIRTY_ROWS] += 1
    rows.dirty[row] |= np.uint8(what)


@jit
def copy_slot(slots: Slots, source: int, target: int) -> None:
    slots[target] = slots[source]
    slots.dirty[target] = True


@jit
def resize(rows: Rows, slots: Slots, tops: Tops, sizes: Int32Array, row: int, size: int) -> None:
    """Give the row a block of `size` slots (one of `sizes`), its payments in order from the block's beginning. There
    must be room."""
    index = 0
    while sizes[index] != size:
        index += 1
    base = tops.free[index]
    if base >= 0:
        tops.free[index] = slots.t[base]
    else:
        base = tops.used[_SLOTS_USED]
        tops.used[_SLOTS_USED] += size
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


@jit
def resize_all(rows: Rows, slots: Slots, tops: Tops, sizes: Int32Array, which: Int64Array, room: Int64Array) -> None:
    """Give each of `which` a block of at least `room` slots. There must be space for all of them."""
    for i in range(len(which)):
        if room[i] > rows.room[which[i]]:
            resize(rows, slots, tops, sizes, which[i], room[i])


@jit
def overflow_of(rows: Rows, tops: Tops, row: int) -> int:
    """The row's spill; a new one if it has none. There must be room."""
    if rows.overflow[row] < 0:
        rows.overflow[row] = tops.used[OVERFLOWS_USED]
        tops.used[OVERFLOWS_USED] += 1
    return int(rows.overflow[row])


@jit
def fold(
    overflows: Overflows,
    overflow: int,
    slots: Slots,
    slot: int,
    pane_ms: int,
    cell_kind: Int64Array,
    cell_filter: UInt32Array,
    last_filter: UInt32Array,
    evicted_value_field: Int64Array,
    evicted_value_filter: UInt32Array,
) -> None:
    """Add one payment to the spill: its pane's cells, the newest time of each filter, the values it had."""
    t, amount, mask = slots.t[slot], slots.amount[slot], slots.mask[slot]
    if len(cell_kind):
        pane = t // pane_ms
        place = pane % overflows.pane.shape[1]
        if overflows.pane[overflow, place] < pane:
            overflows.pane[overflow, place] = pane
            for cell in range(len(cell_kind)):
                overflows.cell[overflow, place, cell] = np.nan if cell_kind[cell] in (CELL_MIN, CELL_MAX) else 0.0
        if overflows.pane[overflow, place] == pane:
            overflows.dirty[overflow, place] = True
            if overflows.currency[overflow] == 0:
                overflows.currency[overflow] = slots.currency[slot]
            same_currency = overflows.currency[overflow] == slots.currency[slot]
            for cell in range(len(cell_kind)):
                if (mask & cell_filter[cell]) != cell_filter[cell]:
                    continue
                kind, value = cell_kind[cell], overflows.cell[overflow, place, cell]
                if kind == CELL_COUNT:
                    value += 1.0
                elif kind in (CELL_FRAUD, CELL_GENUINE):
                    value += 1.0 if slots.label[slot] == (2 if kind == CELL_FRAUD else 1) else 0.0
                elif same_currency:
                    if kind == CELL_AMOUNTS:
                        value += 1.0
                    elif kind == CELL_SUM:
                        value += float(amount)
                    elif kind == CELL_SQUARES:
                        value += float(amount) * float(amount)
                    elif kind == CELL_MIN:
                        value = float(amount) if np.isnan(value) or amount < value else value
                    elif kind == CELL_MAX:
                        value = float(amount) if np.isnan(value) or amount > value else value
                overflows.cell[overflow, place, cell] = value
    for last in range(len(last_filter)):
        if (mask & last_filter[last]) == last_filter[last] and t > overflows.last_ms[overflow, last]:
            overflows.last_ms[overflow, last] = t
    for evicted_value in range(len(evicted_value_field)):
        code = slots.code[slot, evicted_value_field[evicted_value]]
        if code != np.uint32(0) and (mask & evicted_value_filter[evicted_value]) == evicted_value_filter[evicted_value]:
            _remember_value(overflows, overflow, evicted_value, code, t)


@jit
def _remember_value(overflows: Overflows, overflow: int, evicted_value: int, code: np.uint32, t: int) -> None:
    oldest = 0
    for place in range(EVICTED_VALUES_MAX):
        if overflows.evicted_value[overflow, evicted_value, place] == code:
            overflows.evicted_value_ms[overflow, evicted_value, place] = max(
                overflows.evicted_value_ms[overflow, evicted_value, place], t
            )
            return
        if (
            overflows.evicted_value_ms[overflow, evicted_value, place]
            < overflows.evicted_value_ms[overflow, evicted_value, oldest]
        ):
            oldest = place
    if overflows.evicted_value[overflow, evicted_value, oldest] != np.uint32(0):
        forgotten = min(t, overflows.evicted_value_ms[overflow, evicted_value, oldest])
        overflows.evicted_value_floor_ms[overflow, evicted_value] = max(
            overflows.evicted_value_floor_ms[overflow, evicted_value], forgotten
        )
        if forgotten == t:
            return
    overflows.evicted_value[overflow, evicted_value, oldest] = code
    overflows.evicted_value_ms[overflow, evicted_value, oldest] = t
