"""The ring of a row: its payments in order of event time, found, added and let go. Compiled; called by the kernel only.

A block of `size` slots begins at `base`; its oldest payment stands at `start`, the others follow round the end:

    base           start                base + size
      │ newest │ free │ oldest │  …  │  …  │
"""

from __future__ import annotations

import numpy as np

from fraudstream.engine.arena import (
    DIRTY_ROWS,
    ELDERS,
    SPILLS_USED,
    Rows,
    Slots,
    Spills,
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
def spill_of(rows: Rows, tops: Tops, row: int) -> int:
    """The row's spill; a new one if it has none. There must be room."""
    if rows.spill[row] < 0:
        rows.spill[row] = tops.used[SPILLS_USED]
        tops.used[SPILLS_USED] += 1
    return int(rows.spill[row])


@jit
def fold(
    spills: Spills,
    spill: int,
    slots: Slots,
    slot: int,
    pane_ms: int,
    cell_kind: Int64Array,
    cell_lane: UInt32Array,
    last_lane: UInt32Array,
    elder_field: Int64Array,
    elder_lane: UInt32Array,
) -> None:
    """Add one payment to the spill: its pane's cells, the newest time of each filter, the values it had."""
    t, amount, mask = slots.t[slot], slots.amount[slot], slots.mask[slot]
    if len(cell_kind):
        pane = t // pane_ms
        place = pane % spills.pane.shape[1]
        if spills.pane[spill, place] < pane:
            spills.pane[spill, place] = pane
            for cell in range(len(cell_kind)):
                spills.cell[spill, place, cell] = np.nan if cell_kind[cell] in (CELL_MIN, CELL_MAX) else 0.0
        if spills.pane[spill, place] == pane:
            spills.dirty[spill, place] = True
            if spills.currency[spill] == 0:
                spills.currency[spill] = slots.currency[slot]
            same_currency = spills.currency[spill] == slots.currency[slot]
            for cell in range(len(cell_kind)):
                if (mask & cell_lane[cell]) != cell_lane[cell]:
                    continue
                kind, value = cell_kind[cell], spills.cell[spill, place, cell]
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
                spills.cell[spill, place, cell] = value
    for last in range(len(last_lane)):
        if (mask & last_lane[last]) == last_lane[last] and t > spills.last_ms[spill, last]:
            spills.last_ms[spill, last] = t
    for elder in range(len(elder_field)):
        code = slots.code[slot, elder_field[elder]]
        if code != np.uint32(0) and (mask & elder_lane[elder]) == elder_lane[elder]:
            _remember_value(spills, spill, elder, code, t)


@jit
def _remember_value(spills: Spills, spill: int, elder: int, code: np.uint32, t: int) -> None:
    oldest = 0
    for place in range(ELDERS):
        if spills.elder[spill, elder, place] == code:
            spills.elder_ms[spill, elder, place] = max(spills.elder_ms[spill, elder, place], t)
            return
        if spills.elder_ms[spill, elder, place] < spills.elder_ms[spill, elder, oldest]:
            oldest = place
    if spills.elder[spill, elder, oldest] != np.uint32(0):
        forgotten = min(t, spills.elder_ms[spill, elder, oldest])
        spills.elder_floor_ms[spill, elder] = max(spills.elder_floor_ms[spill, elder], forgotten)
        if forgotten == t:
            return
    spills.elder[spill, elder, oldest] = code
    spills.elder_ms[spill, elder, oldest] = t
