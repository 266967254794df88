"""Changed rows as records of the changelog, written by compiled code straight from an arena. `saved` has the format.

Rows are written in the order in which they changed first, each with its parts in the order c0, c1, …, e, p0, p1, …,
l, into pieces of bounded size. Nothing is awaited in between, so all pieces together are the state of one moment.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudstream.compiled.direct import Direct
from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.memory import PADDING, store_word
from fraudstream.compiled.writing import put_bytes
from fraudstream.engine.arena import (
    CHUNK,
    DIRTY_ROWS,
    FLOOR_EVENTS_SHORT,
    LABELS_DIRTY,
    OVERFLOW_DIRTY,
    SLOT,
    Arena,
    Overflows,
    Rows,
    Slots,
)
from fraudstream.engine.arrays import BoolArray, Int32Array, Int64Array, UInt8Array
from fraudstream.engine.key_index import KeyIndex
from fraudstream.engine.packed_records import PackedRecords
from fraudstream.engine.record_pieces import Piece, RowKeys, key_length, new_piece, sealed_records, write_key

PIECE_BYTES: Final = 1 << 22
PIECE_RECORDS: Final = 1 << 15
HEADER_BYTES: Final = 32  # of a row: see `saved`

_PART_NAME_BYTES_MAX: Final = 8  # c1023 is the longest
_SLOT_BYTES: Final = SLOT.itemsize
CHUNK_PART, OVERFLOW_PART, PANES_PART, LABELS_PART = ord("c"), ord("e"), ord("p"), ord("l")


class OverflowBytes(NamedTuple):
    """The columns of `Overflows` as bytes: uint8, shape (overflows, bytes of an overflow), padded by none.

    `fixed`: those that part e holds whole, in its order. `pane_bytes`, `cell_bytes`: of one pane.
    """

    pane: UInt8Array
    cell: UInt8Array
    fixed: tuple[UInt8Array, ...]
    floor_event: UInt8Array
    floor_count: Int64Array
    dirty: BoolArray
    pane_bytes: int
    cell_bytes: int


def take_changed_rows(
    entity: str,
    index: KeyIndex,
    arena: Arena,
    piece_bytes: int = PIECE_BYTES,
    piece_records: int = PIECE_RECORDS,
) -> list[PackedRecords]:
    """Records of everything that changed since the last call; afterwards nothing is dirty.

    `piece_bytes`, `piece_records`: of each piece, at most; a record of any size fits.
    """
    count = int(arena.tops.used[DIRTY_ROWS])
    if count == 0:
        return []
    overflows = overflow_bytes(arena.overflows, arena.shape.panes)
    prefix = entity.encode() + b"\0"
    keys = RowKeys(np.frombuffer(prefix + bytes(PADDING), np.uint8), len(prefix), *index.texts)
    slot_bytes = np.asarray(arena.slots).view(np.uint8)
    part_max = _part_bytes_max(overflows)
    dirty = arena.tops.stack[:count]
    record_max = len(prefix) + int((keys.begin[dirty + 1] - keys.begin[dirty]).max()) + _PART_NAME_BYTES_MAX + part_max
    begin, step, pieces = 0, 0, []
    while begin < count:
        piece = new_piece(max(piece_bytes, record_max), piece_records)
        n, begin, step = _write(
            piece,
            keys,
            arena.rows,
            arena.slots,
            slot_bytes,
            overflows,
            _bytes(arena.tops.recent),
            arena.tops.stack,
            count,
            begin,
            step,
            part_max,
        )
        pieces.append(sealed_records(piece, n))
    arena.tops.used[DIRTY_ROWS] = 0
    return pieces


def overflow_bytes(overflows: Overflows, panes: int) -> OverflowBytes:
    """The overflows of an arena, with `panes` panes each, as bytes: views, to be kept no longer than the arena's."""
    pane, cell = _bytes(overflows.pane), _bytes(overflows.cell)
    return OverflowBytes(
        pane=pane,
        cell=cell,
        fixed=tuple(_bytes(column) for column in overflows[2:-2]),
        floor_event=_bytes(overflows.floor_event),
        floor_count=overflows.floor_count,
        dirty=overflows.dirty,
        pane_bytes=pane.shape[1] // max(1, panes),
        cell_bytes=cell.shape[1] // max(1, panes),
    )


def _bytes(column: NDArray[Any]) -> UInt8Array:
    """A column as bytes: uint8, shape (entries, bytes of an entry)."""
    return column.view(np.uint8).reshape(len(column), column.nbytes // len(column))


def _part_bytes_max(overflows: OverflowBytes) -> int:
    """The bytes of the largest value."""
    of_overflow: int = sum(column.shape[1] for column in overflows.fixed) + overflows.floor_event.shape[1]
    of_panes = CHUNK * (overflows.pane_bytes + overflows.cell_bytes)
    return HEADER_BYTES + max(CHUNK * _SLOT_BYTES, of_overflow, of_panes)


@entry_point
def _write_rows(
    piece: Piece,
    keys: RowKeys,
    rows: Rows,
    slots: Slots,
    slot_bytes: UInt8Array,
    overflows: OverflowBytes,
    recent: UInt8Array,
    stack: Int32Array,
    count: int,
    begin: int,
    step: int,
    part_max: int,
) -> tuple[int, int, int]:
    """Write the changed parts of rows, from part number `step` of row `stack[begin]` on, until all `count` rows are
    written or the piece is full. Returns the number of records, and where to continue.

    `slot_bytes`: the slots, uint8, shape (slots * bytes of a slot,). `recent`: the last labelled payments, uint8, shape
    (rows, bytes of a row's). `part_max`: bytes of the largest value.
    """
    n, end = 0, 0
    groups = (overflows.dirty.shape[1] + CHUNK - 1) // CHUNK
    for i in range(begin, count):
        row = stack[i]
        chunks = (_filled(rows, row) + CHUNK - 1) // CHUNK
        of_overflow = 1 + groups if rows.dirty[row] & OVERFLOW_DIRTY else 0
        parts = chunks + of_overflow + (1 if rows.dirty[row] & LABELS_DIRTY else 0)
        record_max = key_length(keys, row) + _PART_NAME_BYTES_MAX + part_max
        while step < parts:
            if n == len(piece.key_at) or end + record_max > len(piece.out) - PADDING:
                return n, i, step
            if step == chunks + of_overflow:
                after = _write_labels(piece, n, end, keys, recent, row)
            else:
                after = _write_part(piece, n, end, keys, rows, slots, slot_bytes, overflows, row, step, chunks)
            n += after > end
            end = after
            step += 1
        rows.dirty[row] = 0
        step = 0
    return n, count, 0


@jit
def _write_part(
    piece: Piece,
    n: int,
    end: int,
    keys: RowKeys,
    rows: Rows,
    slots: Slots,
    slot_bytes: UInt8Array,
    overflows: OverflowBytes,
    row: int,
    step: int,
    chunks: int,
) -> int:
    """Write one part of a row as record number `n` after byte `end`, if the part has changed; afterwards it has not.

    Returns where the record ends; `end` if there is none.
    """
    out = piece.out
    if step < chunks:
        first = rows.block[row] + CHUNK * step
        length = min(CHUNK, _filled(rows, row) - CHUNK * step)
        if not _take_dirty_slots(slots, first, length):
            return end
        at = write_key(piece, n, end, keys, row, CHUNK_PART, step)
        after = _put_header(out, at, rows, row)
        after = put_bytes(out, after, slot_bytes, first * _SLOT_BYTES, length * _SLOT_BYTES)
    elif step == chunks:
        at = write_key(piece, n, end, keys, row, OVERFLOW_PART, -1)
        after = _put_overflow(out, _put_header(out, at, rows, row), overflows, rows.overflow[row])
    else:
        group = step - chunks - 1
        if not _take_dirty_panes(overflows.dirty[rows.overflow[row]], group):
            return end
        at = write_key(piece, n, end, keys, row, PANES_PART, group)
        after = _put_panes(out, at, overflows, rows.overflow[row], group)
    piece.value_at[n], piece.value_length[n] = at, after - at
    return after


@jit
def _write_labels(piece: Piece, n: int, end: int, keys: RowKeys, recent: UInt8Array, row: int) -> int:
    """Write the last labelled payments of a row as record number `n` after byte `end`. Returns where it ends."""
    at = write_key(piece, n, end, keys, row, LABELS_PART, -1)
    after = _copy(piece.out, at, recent[row], 0, recent.shape[1])
    piece.value_at[n], piece.value_length[n] = at, after - at
    return after


@jit
def _filled(rows: Rows, row: int) -> int:
    """Slots of the row's block that hold, or have held, a payment, from its first slot on."""
    return int(rows.held[row] if rows.start[row] == 0 else rows.room[row])


@jit
def _take_dirty_slots(slots: Slots, first: int, length: int) -> bool:
    """Whether any of the slots is dirty; afterwards none is."""
    found = False
    for slot in range(first, first + length):
        if slots.dirty[slot]:
            found = True
            slots.dirty[slot] = False
    return found


@jit
def _take_dirty_panes(dirty: BoolArray, group: int) -> bool:
    """Whether any pane of the group is dirty; afterwards none is. `dirty`: of one overflow."""
    found = False
    for pane in range(CHUNK * group, min(CHUNK * group + CHUNK, len(dirty))):
        if dirty[pane]:
            found = True
            dirty[pane] = False
    return found


@jit
def _put_header(out: UInt8Array, at: int, rows: Rows, row: int) -> int:
    """Write a row's header; returns where it ends."""
    store_word(out, at, np.uint64(rows.floor_ms[row]))
    store_word(out, at + 8, np.uint64(rows.first_ms[row]))
    store_word(out, at + 16, np.uint64(rows.room[row]) | np.uint64(rows.start[row]) << np.uint64(32))
    store_word(out, at + 24, np.uint64(rows.held[row]) | np.uint64(rows.uncounted[row]) << np.uint64(32))
    return at + HEADER_BYTES


@jit
def _put_overflow(out: UInt8Array, at: int, overflows: OverflowBytes, overflow: int) -> int:
    """Write the columns of part e; returns where they end. Of most overflows few payments at the floor are saved: more
    rarely leave at one moment."""
    for column in overflows.fixed:
        at = _copy(out, at, column[overflow], 0, column.shape[1])
    length = overflows.floor_event.shape[1]
    if overflows.floor_count[overflow] <= FLOOR_EVENTS_SHORT:
        length = min(length, 4 * FLOOR_EVENTS_SHORT)
    return _copy(out, at, overflows.floor_event[overflow], 0, length)


@jit
def _put_panes(out: UInt8Array, at: int, overflows: OverflowBytes, overflow: int, group: int) -> int:
    """Write the panes of a group and their cells; returns where they end."""
    first = CHUNK * group
    count = min(CHUNK, overflows.dirty.shape[1] - first)
    for data, width in ((overflows.pane, overflows.pane_bytes), (overflows.cell, overflows.cell_bytes)):
        at = _copy(out, at, data[overflow], first * width, count * width)
    return at


@jit
def _copy(out: UInt8Array, to: int, source: UInt8Array, at: int, length: int) -> int:
    """Copy bytes from an array without padding; returns the index after them."""
    for k in range(length):
        out[to + k] = source[at + k]
    return to + length


_write = Direct(_write_rows)
