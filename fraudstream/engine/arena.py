"""Where an entity's past lies: rows of numpy arrays, one for each account (or device, merchant, …) that a partition has seen.

    row ── header: how many payments are held, where, since when
     │
     ├─► slots: a ring of its last payments, in order of event time; 2, 4, 8 … up to the catalogue's `slots`, so a quiet account costs little
     │
     └─► spill (only once a payment has left the ring): sums by pane, and the last values seen, of what the ring no longer holds

`floor_ms` is the event time of the newest payment that has left the ring. Above it the ring holds everything, so windows that begin there
are exact, duplicates are found and late payments have their place; at or below it a payment is late.

These are plain arrays in named tuples, because the kernel walks them compiled. All growth happens here, between two runs of the kernel.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np

from fraudstream.engine.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    Int8Array,
    Int32Array,
    Int64Array,
    UInt8Array,
    UInt16Array,
    UInt32Array,
    UInt64Array,
)

A = TypeVar("A", bound="np.ndarray[Any, Any]")

NEVER = -(1 << 62)  # a time before all times
ELDERS = 8  # values a spill remembers for each `first_seen` field
CHUNK = 4  # slots, and panes, of one changelog record

HEADER_DIRTY, SPILL_DIRTY = 1, 2


class Rows(NamedTuple):
    """One header a row; every array has shape (capacity,)."""

    base: Int64Array  # first slot of the row's block
    floor_ms: Int64Array  # event time of the newest payment that left the ring, or NEVER
    first_ms: Int64Array  # event time of the first payment, or -NEVER
    size: Int32Array  # slots in the block
    start: Int32Array  # place of the oldest payment in the block
    held: Int32Array  # payments in the ring
    spill: Int32Array  # row of `Spills`, or -1
    dirty: UInt8Array


class Slots(NamedTuple):
    """One payment a slot; shape (capacity,) unless said."""

    t: Int64Array  # event time, ms
    amount: Int64Array  # minor units
    event: UInt64Array  # digest of event_id
    mask: UInt32Array  # which filters of the catalogue the payment passed, a bit each
    currency: UInt16Array
    label: Int8Array  # 0 unknown, 1 genuine, 2 fraud
    score: Int32Array  # first verdict: ten-thousandths; below 0: still in the batch at hand, -(position + 1)
    verdict: Int32Array  # first verdict: number in the memory's list of findings
    code: UInt32Array  # (capacity, fields): half digests of what `distinct`, `first_seen` and `same` look at; 0 missing
    place: Float32Array  # (capacity, 2): latitude, longitude; NaN missing
    dirty: BoolArray


class Spills(NamedTuple):
    """What left the ring of one row; first axis: spills."""

    pane: Int64Array  # (capacity, panes): number of the pane held there, or NEVER
    cell: Float64Array  # (capacity, panes, cells): sums of integers, exact below 2**53
    currency: UInt16Array  # the one currency whose amounts are summed; 0 none yet
    last_ms: Int64Array  # (capacity, lasts): newest time that left the ring, by filter
    elder: UInt32Array  # (capacity, fields, ELDERS): values that left the ring, 0 none
    elder_ms: Int64Array  # the same: newest time of that value
    elder_floor_ms: Int64Array  # (capacity, fields): newest time of a value that was forgotten, or NEVER
    dirty: BoolArray  # (capacity, panes)


class Tops(NamedTuple):
    """The arena's few numbers that change as the kernel runs."""

    used: Int64Array  # [slots, spills, dirty rows] in use
    free: Int64Array  # (sizes,): first block of each size given back, or -1; the next stands in its `t`
    stack: Int32Array  # rows that are dirty


SLOTS_USED, SPILLS_USED, DIRTY_ROWS = range(3)


class Shape(NamedTuple):
    """What a catalogue makes of an arena: counts of things."""

    slots_max: int
    panes: int
    cells: int
    fields: int
    lasts: int
    elders: int


def block_sizes(slots_max: int) -> Int32Array:
    """The sizes a row's block grows through: 2, 4, 8 … and at last `slots_max`."""
    sizes = [2]
    while sizes[-1] * 2 < slots_max:
        sizes.append(sizes[-1] * 2)
    return np.array([*sizes, slots_max] if slots_max > 2 else [slots_max], np.int32)


class Arena:
    """The rows of one kind of entity in one partition. `rows`, `slots`, `spills` are replaced when they grow: take them anew each time."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.sizes = block_sizes(shape.slots_max)
        self.rows = _empty_rows(64)
        self.slots = _empty_slots(4 * shape.slots_max + 64, shape.fields)
        self.spills = _empty_spills(4, shape)
        self.tops = Tops(np.zeros(3, np.int64), np.full(len(self.sizes), -1, np.int64), np.zeros(64, np.int32))

    def make_room_for_rows(self, count: int) -> None:
        """Afterwards `count` rows fit."""
        have = len(self.rows.base)
        if count <= have:
            return
        more = max(count, have + have // 2)
        self.rows = Rows(*(_longer(old, new) for old, new in zip(self.rows, _empty_rows(more), strict=True)))
        self.tops = self.tops._replace(stack=_longer(self.tops.stack, np.zeros(more, np.int32)))

    def make_room_for_slots(self) -> None:
        have = len(self.slots.t)
        more = have + have // 2 + 4 * self.shape.slots_max
        columns = []
        for old in self.slots:  # column by column, so that at most one stands twice in memory
            new = np.zeros((more, *old.shape[1:]), old.dtype)
            columns.append(_longer(old, new))
        self.slots = Slots(*columns)

    def make_room_for_spills(self) -> None:
        have = len(self.spills.pane)
        new = _empty_spills(have + have // 2 + 4, self.shape)
        self.spills = Spills(*(_longer(old, fresh) for old, fresh in zip(self.spills, new, strict=True)))

    @property
    def bytes(self) -> int:
        """Bytes of rows, slots and spills in use (keys are not counted)."""
        slots = int(self.tops.used[SLOTS_USED]) * sum(a.nbytes // len(a) for a in self.slots)
        spills = int(self.tops.used[SPILLS_USED]) * self.spill_bytes
        return slots + spills + sum(a.nbytes for a in self.rows)

    @property
    def spill_bytes(self) -> int:
        return sum(a.nbytes // len(a) for a in self.spills)

    @property
    def row_bytes_max(self) -> int:
        """Bytes of a row as busy as rows get."""
        slot = sum(a.nbytes // len(a) for a in self.slots)
        return self.shape.slots_max * slot + self.spill_bytes + sum(a.itemsize for a in self.rows)


def _longer(old: A, new: A) -> A:
    new[: len(old)] = old
    return new


def _empty_rows(count: int) -> Rows:
    return Rows(
        base=np.zeros(count, np.int64),
        floor_ms=np.full(count, NEVER, np.int64),
        first_ms=np.full(count, -NEVER, np.int64),
        size=np.zeros(count, np.int32),
        start=np.zeros(count, np.int32),
        held=np.zeros(count, np.int32),
        spill=np.full(count, -1, np.int32),
        dirty=np.zeros(count, np.uint8),
    )


def _empty_slots(count: int, fields: int) -> Slots:
    return Slots(
        t=np.zeros(count, np.int64),
        amount=np.zeros(count, np.int64),
        event=np.zeros(count, np.uint64),
        mask=np.zeros(count, np.uint32),
        currency=np.zeros(count, np.uint16),
        label=np.zeros(count, np.int8),
        score=np.zeros(count, np.int32),
        verdict=np.zeros(count, np.int32),
        code=np.zeros((count, fields), np.uint32),
        place=np.zeros((count, 2), np.float32),
        dirty=np.zeros(count, np.bool_),
    )


def _empty_spills(count: int, shape: Shape) -> Spills:
    return Spills(
        pane=np.full((count, shape.panes), NEVER, np.int64),
        cell=np.zeros((count, shape.panes, shape.cells), np.float64),
        currency=np.zeros(count, np.uint16),
        last_ms=np.full((count, shape.lasts), NEVER, np.int64),
        elder=np.zeros((count, shape.elders, ELDERS), np.uint32),
        elder_ms=np.full((count, shape.elders, ELDERS), NEVER, np.int64),
        elder_floor_ms=np.full((count, shape.elders), NEVER, np.int64),
        dirty=np.zeros((count, shape.panes), np.bool_),
    )
