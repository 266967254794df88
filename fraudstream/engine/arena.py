"""Where an entity's past lies: rows of numpy arrays, one for each account (or device, merchant, …) that a partition has
seen.

    row ── header: how many payments are held, where, since when
     │
     ├─► slots: a ring of its last payments, in order of event time; 2, 4, 8 … up to the catalogue's `slots`,
     │          so a quiet account costs little
     │
     └─► spill (only once a payment has left the ring): sums by pane, and the last values seen, of what the ring
                no longer holds

`floor_ms` is the event time of the newest payment that has left the ring. Above it the ring holds everything, so
windows that begin there are exact, duplicates are found and late payments have their place; at or below it a payment is
late.

These are plain arrays in named tuples, because the kernel walks them compiled. All growth happens here, between two
runs of the kernel.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeVar, cast

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

A = TypeVar("A")

NEVER = -(1 << 62)  # a time before all times
EVICTED_VALUES_MAX = 8  # values a spill remembers for each `first_seen` field
FIELDS_MAX = 8  # payment fields that the slots of an entity hold half digests of
CHUNK = 4  # slots, and panes, of one changelog record

HEADER_DIRTY, OVERFLOW_DIRTY = 1, 2


# One header a row: a cache line fetches all of it.
ROW = np.dtype(
    [
        ("block", "<i8"),  # first slot of the row's block
        ("floor_ms", "<i8"),  # event time of the newest payment that left the ring, or NEVER
        ("first_ms", "<i8"),  # event time of the first payment, or -NEVER
        ("room", "<i4"),  # slots in the block
        ("start", "<i4"),  # place of the oldest payment in the block
        ("held", "<i4"),  # payments in the ring
        ("overflow", "<i4"),  # row of `Overflows`, or -1
        ("dirty", "u1"),
    ],
    align=True,
)

# One payment a slot, its fields side by side for the same reason.
SLOT = np.dtype(
    [
        ("t", "<i8"),  # event time, ms
        ("amount", "<i8"),  # minor units
        ("event", "<u8"),  # digest of event_id
        ("location", "<f4", (2,)),  # latitude, longitude; NaN missing
        ("code", "<u4", (FIELDS_MAX,)),  # half digests of what `distinct`, `first_seen`, `same` look at; 0 missing
        ("mask", "<u4"),  # which filters of the catalogue the payment passed, a bit each
        ("score", "<i4"),  # first verdict: ten-thousandths; below 0: still in the batch at hand, -(position + 1)
        ("verdict", "<i4"),  # first verdict: number in the memory's list of findings
        ("currency", "<u2"),
        ("label", "i1"),  # 0 unknown, 1 genuine, 2 fraud
        ("dirty", "?"),
    ],
    align=True,
)


class Rows(Protocol):
    """A record array of `ROW`, as its fields are read and written."""

    nbytes: int
    block: Int64Array
    floor_ms: Int64Array
    first_ms: Int64Array
    room: Int32Array
    start: Int32Array
    held: Int32Array
    overflow: Int32Array
    dirty: UInt8Array

    def __len__(self) -> int: ...


class Slots(Protocol):
    """A record array of `SLOT`."""

    nbytes: int
    t: Int64Array
    amount: Int64Array
    event: UInt64Array
    location: Float32Array
    code: UInt32Array
    mask: UInt32Array
    score: Int32Array
    verdict: Int32Array
    currency: UInt16Array
    label: Int8Array
    dirty: BoolArray

    def __len__(self) -> int: ...
    def __getitem__(self, slot: Any) -> Any: ...
    def __setitem__(self, slot: Any, value: Any) -> None: ...


class Overflows(NamedTuple):
    """What left the ring of one row; first axis: spills."""

    pane: Int64Array  # (capacity, panes): number of the pane held there, or NEVER
    cell: Float64Array  # (capacity, panes, cells): sums of integers, exact below 2**53
    currency: UInt16Array  # the one currency whose amounts are summed; 0 none yet
    last_ms: Int64Array  # (capacity, lasts): newest time that left the ring, by filter
    evicted_value: UInt32Array  # (capacity, fields, ELDERS): values that left the ring, 0 none
    evicted_value_ms: Int64Array  # the same: newest time of that value
    evicted_value_floor_ms: Int64Array  # (capacity, fields): newest time of a value that was forgotten, or NEVER
    dirty: BoolArray  # (capacity, panes)


class Tops(NamedTuple):
    """The arena's few numbers that change as the kernel runs."""

    used: Int64Array  # [slots, spills, dirty rows] in use
    free: Int64Array  # (sizes,): first block of each size given back, or -1; the next stands in its `t`
    stack: Int32Array  # rows that are dirty


SLOTS_USED, OVERFLOWS_USED, DIRTY_ROWS = range(3)


class Shape(NamedTuple):
    """What a catalogue makes of an arena: counts of things."""

    slots_max: int
    panes: int
    cells: int
    lasts: int
    evicted_values: int


def block_sizes(slots_max: int) -> Int32Array:
    """The sizes a row's block grows through: 2, 4, 8 … and at last `slots_max`."""
    sizes = [2]
    while sizes[-1] * 2 < slots_max:
        sizes.append(sizes[-1] * 2)
    return np.array([*sizes, slots_max] if slots_max > 2 else [slots_max], np.int32)


class Arena:
    """The rows of one kind of entity in one partition. Take `rows`, `slots`, `overflows` anew where they may grow."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.sizes = block_sizes(shape.slots_max)
        self.rows = _empty_rows(64)
        self.slots = _empty_slots(4 * shape.slots_max + 64)
        self.overflows = _empty_spills(4, shape)
        self.tops = Tops(np.zeros(3, np.int64), np.full(len(self.sizes), -1, np.int64), np.zeros(64, np.int32))

    def make_room_for_rows(self, count: int) -> None:
        """Afterwards `count` rows fit."""
        have = len(self.rows)
        if count <= have:
            return
        more = max(count, have + have // 2)
        _stretch(self.rows, more)
        _clear(self.rows, since=have)
        self.tops = self.tops._replace(stack=_longer(self.tops.stack, np.zeros(more, np.int32)))

    def make_room_for_slots(self) -> None:
        have = len(self.slots)
        _stretch(self.slots, have + have // 2 + 4 * self.shape.slots_max)

    def has_room_for(self, slots: int) -> bool:
        """Whether so many slots, and a row's most besides, are free at the end."""
        return int(self.tops.used[SLOTS_USED]) + slots + self.shape.slots_max < len(self.slots)

    def make_room_for_overflows(self) -> None:
        have = len(self.overflows.pane)
        new = _empty_spills(have + have // 2 + 4, self.shape)
        self.overflows = Overflows._make(map(_longer, self.overflows, new))

    @property
    def memory_bytes(self) -> int:
        """Bytes of rows, slots and spills in use (keys are not counted)."""
        used = self.tops.used
        return int(self.rows.nbytes + used[SLOTS_USED] * SLOT.itemsize + used[OVERFLOWS_USED] * self.spill_bytes)

    @property
    def spill_bytes(self) -> int:
        return sum(column.nbytes // len(column) for column in self.overflows)

    @property
    def row_bytes_max(self) -> int:
        """Bytes of a row as busy as rows get."""
        return ROW.itemsize + self.shape.slots_max * SLOT.itemsize + self.spill_bytes


def _longer(old: A, new: A) -> A:
    target: Any = new
    target[: len(cast(Any, old))] = old
    return new


def _stretch(records: Rows | Slots, count: int) -> None:
    """Lengthen in place, with zeros: large arrays are moved by the kernel's page tables, not copied.

    Nobody else may hold a view of them; the compiled functions hold none between their calls.
    """
    cast(Any, records).resize(count, refcheck=False)


def _empty_rows(count: int) -> Rows:
    rows: Any = np.recarray(count, ROW)
    rows[:] = np.zeros(1, ROW)
    _clear(rows, since=0)
    return cast(Rows, rows)


def _clear(rows: Rows, since: int) -> None:
    """What an unused row holds, for the rows from `since` on, which are zero."""
    rows.floor_ms[since:], rows.first_ms[since:], rows.overflow[since:] = NEVER, -NEVER, -1


def _empty_slots(count: int) -> Slots:
    slots: Any = np.recarray(count, SLOT)
    slots[:] = np.zeros(1, SLOT)
    return cast(Slots, slots)


def _empty_spills(count: int, shape: Shape) -> Overflows:
    return Overflows(
        pane=np.full((count, shape.panes), NEVER, np.int64),
        cell=np.zeros((count, shape.panes, shape.cells), np.float64),
        currency=np.zeros(count, np.uint16),
        last_ms=np.full((count, shape.lasts), NEVER, np.int64),
        evicted_value=np.zeros((count, shape.evicted_values, EVICTED_VALUES_MAX), np.uint32),
        evicted_value_ms=np.full((count, shape.evicted_values, EVICTED_VALUES_MAX), NEVER, np.int64),
        evicted_value_floor_ms=np.full((count, shape.evicted_values), NEVER, np.int64),
        dirty=np.zeros((count, shape.panes), np.bool_),
    )
