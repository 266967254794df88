"""The state of one kind of entity in one partition: numpy arrays with a row for each account (device, merchant, …).

    row ── header: how many payments it holds, in which block, since when
     │
     ├─► slots: a ring of its last payments, in order of event time; 2, 4, 8 … up to the catalogue's `slots`,
     │          so a quiet account costs little
     │
     └─► overflow (only once a payment has left the ring): sums by pane, newest times and newest values of the
                payments that the ring no longer holds

`floor_ms` is the event time of the newest payment that has left the ring. The ring holds every payment after it, so
windows that begin there are exact, repeats are detected and late payments can be ordered; a payment from before it is
*late*.

                 floor
    ───────────────┼───────────┬───────────►  event time
     late: not     │ same time │ in order of
     placed        │ in order of the log │ event time

Payments of one moment have the order of the log, so one at the floor has its place after those that left, however many
they are. Only a copy of one of them has none: the overflow knows the last `FLOOR_EVENTS_MAX` that left at that moment.

Record arrays and named tuples of arrays, because compiled code reads them. They grow only here, between two runs of the
kernel.
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

NEVER = -(1 << 62)  # ms: before all times
EVICTED_VALUES_MAX = 8  # evicted values that an overflow holds for each field and filter of `first_seen`
FIELDS_MAX = 8  # payment fields of an entity whose codes slots hold
FLOOR_EVENTS_MAX = 64  # payments of the floor's moment that an overflow knows by their event_id
FLOOR_EVENTS_SHORT = 4  # of them saved for most overflows: more payments rarely leave at one moment
CHUNK = 4  # slots, or panes, in one changelog record

HEADER_DIRTY, OVERFLOW_DIRTY, LABELS_DIRTY = 1, 2, 4  # bits of a row's `dirty`

# Bits of a slot's `mask` beside those of the catalogue's filters. COUNTED: it counts in features; every filter asks for
# this bit. AMENDED: its amount is no longer the published one. CAPTURED: a capture has replaced its amount.
FILTER_BITS = 29
COUNTED, AMENDED, CAPTURED = np.uint32(1 << 31), np.uint32(1 << 30), np.uint32(1 << 29)


# The header of a row, in one cache line.
ROW = np.dtype(
    [
        ("block", "<i8"),  # first slot of the row's block
        ("floor_ms", "<i8"),  # event time of the newest payment that left the ring, or NEVER
        ("first_ms", "<i8"),  # event time of the first payment, or -NEVER
        ("room", "<i4"),  # slots in the block
        ("start", "<i4"),  # index in the block of the oldest payment
        ("held", "<i4"),  # payments in the ring
        ("overflow", "<i4"),  # row of `Overflows`, or -1
        ("uncounted", "<i4"),  # slots in the ring that do not count
        ("dirty", "u1"),
    ],
    align=True,
)

# One payment, its fields side by side for the same reason; those that few features need come last.
SLOT = np.dtype(
    [
        ("t", "<i8"),  # event time, ms
        ("amount", "<i8"),  # minor units, as captured and taken back so far; as published if it does not count
        ("event", "<u8"),  # digest of event_id
        ("location", "<f4", (2,)),  # latitude, longitude; NaN missing
        ("code", "<u4", (FIELDS_MAX,)),  # 32-bit codes of the fields in `of` and `same`; 0 missing
        ("mask", "<u4"),  # a bit for each filter of the catalogue that it passed, and those above
        ("score", "<i4"),  # first score, millionths; below 0: not decided yet, -(index in the batch + 1)
        ("verdict", "<i4"),  # first verdict: number in the list of findings
        ("currency", "<u2"),  # number of the currency of `amount`
        ("label", "i1"),  # 0 unknown, 1 genuine, 2 fraud
        ("dirty", "?"),
        ("original", "<u8"),  # of a capture: digest of its payment's event_id; if it counts: `relations`; else 0
        ("labelled_ms", "<i8"),  # `labelled_at` of the label, ms; 0 without one
    ],
    align=True,
)


class Rows(Protocol):
    """A record array of `ROW`, shape (rows,): each field as an array."""

    nbytes: int
    block: Int64Array
    floor_ms: Int64Array
    first_ms: Int64Array
    room: Int32Array
    start: Int32Array
    held: Int32Array
    overflow: Int32Array
    uncounted: Int32Array
    dirty: UInt8Array

    def __len__(self) -> int: ...


class Slots(Protocol):
    """A record array of `SLOT`, shape (slots,): each field as an array."""

    nbytes: int
    t: Int64Array
    amount: Int64Array
    event: UInt64Array
    original: UInt64Array
    labelled_ms: Int64Array
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
    """What left the rings; first axis: overflows, one for each row that has evicted a payment."""

    pane: Int64Array  # (overflows, panes): number of the pane, t // pane_ms, at index number % panes; or NEVER
    cell: Float64Array  # (overflows, panes, cells): as `ring.CELL_…`; sums of integers, exact below 2**53
    currency: UInt16Array  # (overflows,): the one currency whose amounts are summed; 0 none yet
    last_ms: Int64Array  # (overflows, last_times): newest time that left the ring, by filter, or NEVER
    evicted_value: UInt32Array  # (overflows, evicted_values, EVICTED_VALUES_MAX): codes; 0 none
    evicted_value_ms: Int64Array  # the same: newest time of that value
    evicted_value_floor_ms: Int64Array  # (overflows, evicted_values): newest time of a dropped value, or NEVER
    uncorrected_ms: Int64Array  # (overflows,): payments up to it may be uncorrected (`relations`), or NEVER
    floor_count: Int64Array  # (overflows,): payments that left at `floor_ms`
    floor_event: UInt32Array  # (overflows, floor_events): half digests of the last of them; 0 none
    dirty: BoolArray  # (overflows, panes): changed since the last checkpoint


class Tops(NamedTuple):
    """What an arena has beside rows, slots and overflows, and changes while the kernel runs."""

    used: Int64Array  # (3,): slots, overflows and dirty rows in use, by SLOTS_USED, …
    free: Int64Array  # (sizes,): first free block of each size, or -1; its first slot's `t` is the next
    stack: Int32Array  # (rows,): the dirty rows first
    recent: UInt32Array  # (rows, recent_labels): the last labelled payments (`recent_labels`); changes its length only


SLOTS_USED, OVERFLOWS_USED, DIRTY_ROWS = range(3)


class Shape(NamedTuple):
    """The counts that a catalogue gives an arena: see `Overflows` for the axes."""

    slots_max: int
    panes: int
    cells: int
    last_times: int
    evicted_values: int
    floor_events: int
    recent_labels: int


def block_sizes(slots_max: int) -> Int32Array:
    """The sizes that a row's block grows through: 2, 4, 8 … and finally `slots_max`; int32, rising."""
    sizes = [2]
    while sizes[-1] * 2 < slots_max:
        sizes.append(sizes[-1] * 2)
    return np.array([*sizes, slots_max] if slots_max > 2 else [slots_max], np.int32)


class Arena:
    """The rows of one kind of entity in one partition. Keep no reference to `rows`, `slots`, `overflows`: growing moves
    them."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.sizes = block_sizes(shape.slots_max)
        self.rows = _empty_rows(64)
        self.slots = _empty_slots(4 * shape.slots_max + 64)
        self.overflows = _empty_overflows(4, shape)
        self.tops = Tops(
            used=np.zeros(3, np.int64),
            free=np.full(len(self.sizes), -1, np.int64),
            stack=np.zeros(64, np.int32),
            recent=np.zeros((64, shape.recent_labels), np.uint32),
        )

    def make_room_for_rows(self, count: int) -> None:
        """Grow until there are `count` rows."""
        have = len(self.rows)
        if count <= have:
            return
        more = max(count, have + have // 2)
        _stretch(self.rows, more)
        _clear(self.rows, since=have)
        self.tops = self.tops._replace(
            stack=_longer(self.tops.stack, np.zeros(more, np.int32)),
            recent=_longer(self.tops.recent, np.zeros((more, self.shape.recent_labels), np.uint32)),
        )

    def make_room_for_slots(self) -> None:
        """Grow by half, and by some blocks of the largest size at least."""
        have = len(self.slots)
        _stretch(self.slots, have + have // 2 + 4 * self.shape.slots_max)

    def has_room_for(self, slots: int) -> bool:
        """Whether this many slots and one block of the largest size are free at the end."""
        return int(self.tops.used[SLOTS_USED]) + slots + self.shape.slots_max < len(self.slots)

    def make_room_for_overflows(self) -> None:
        """Grow by half."""
        have = len(self.overflows.pane)
        new = _empty_overflows(have + have // 2 + 4, self.shape)
        self.overflows = Overflows._make(map(_longer, self.overflows, new))

    def mark_row(self, row: int) -> None:
        """Note that an unchanged row's header changed since the last checkpoint, as `ring.mark` does where rows change:
        in compiled code."""
        self.rows.dirty[row] = HEADER_DIRTY
        self.tops.stack[self.tops.used[DIRTY_ROWS]] = row
        self.tops.used[DIRTY_ROWS] += 1

    @property
    def memory_bytes(self) -> int:
        """Bytes of rows, slots and overflows in use, without the keys."""
        used = self.tops.used
        of_rows = self.rows.nbytes + self.tops.recent.nbytes
        return int(of_rows + used[SLOTS_USED] * SLOT.itemsize + used[OVERFLOWS_USED] * self.overflow_bytes)

    @property
    def overflow_bytes(self) -> int:
        """Bytes of one overflow."""
        return sum(column.nbytes // len(column) for column in self.overflows)

    @property
    def row_bytes_max(self) -> int:
        """Bytes of a row with a full ring and an overflow."""
        of_row = ROW.itemsize + 4 * self.shape.recent_labels
        return of_row + self.shape.slots_max * SLOT.itemsize + self.overflow_bytes


def _longer(old: A, new: A) -> A:
    """`new` with the entries of the shorter `old` copied to its beginning."""
    target: Any = new
    target[: len(cast(Any, old))] = old
    return new


def _stretch(records: Rows | Slots, count: int) -> None:
    """Lengthen in place with zeros: `realloc` remaps the pages of large arrays instead of copying them.

    No view of them may exist elsewhere; compiled functions keep none between calls.
    """
    cast(Any, records).resize(count, refcheck=False)


def _empty_rows(count: int) -> Rows:
    """Unused rows."""
    rows: Any = np.recarray(count, ROW)
    rows[:] = np.zeros(1, ROW)
    _clear(rows, since=0)
    return cast(Rows, rows)


def _clear(rows: Rows, since: int) -> None:
    """Set the fields of unused rows that are not zero, from row `since` on."""
    rows.floor_ms[since:], rows.first_ms[since:], rows.overflow[since:] = NEVER, -NEVER, -1


def _empty_slots(count: int) -> Slots:
    """Unused slots: zeros."""
    slots: Any = np.recarray(count, SLOT)
    slots[:] = np.zeros(1, SLOT)
    return cast(Slots, slots)


def _empty_overflows(count: int, shape: Shape) -> Overflows:
    """Unused overflows."""
    return Overflows(
        pane=np.full((count, shape.panes), NEVER, np.int64),
        cell=np.zeros((count, shape.panes, shape.cells), np.float64),
        currency=np.zeros(count, np.uint16),
        last_ms=np.full((count, shape.last_times), NEVER, np.int64),
        evicted_value=np.zeros((count, shape.evicted_values, EVICTED_VALUES_MAX), np.uint32),
        evicted_value_ms=np.full((count, shape.evicted_values, EVICTED_VALUES_MAX), NEVER, np.int64),
        evicted_value_floor_ms=np.full((count, shape.evicted_values), NEVER, np.int64),
        uncorrected_ms=np.full(count, NEVER, np.int64),
        floor_count=np.zeros(count, np.int64),
        floor_event=np.zeros((count, shape.floor_events), np.uint32),
        dirty=np.zeros((count, shape.panes), np.bool_),
    )
