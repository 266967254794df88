"""Rows read back from the records of a changelog by compiled code, into an arena. `saved` has the format.

Records are taken in their order, so of two with one key the later one counts. First every row gets the last of its
headers and a block of that size, then the parts are copied to where they belong.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import Packed
from fraudstream.engine.arena import CHUNK, OVERFLOWS_USED, SLOT, Arena, Rows, Tops
from fraudstream.engine.arrays import Int64Array, UInt8Array
from fraudstream.engine.changed_rows import (
    CHUNK_PART,
    HEADER_BYTES,
    LABELS_PART,
    OVERFLOW_PART,
    PANES_PART,
    OverflowBytes,
    overflow_bytes,
)
from fraudstream.engine.key_index import KeyIndex
from fraudstream.engine.packed_records import PackedRecords
from fraudstream.engine.ring import overflow_of, resize_all
from fraudstream.engine.saved import HEADER

_SLOT_BYTES: Final = SLOT.itemsize
_ALL: Final = -1  # no record is unfit


class _Parts(NamedTuple):
    """The records of one entity. `record`: their numbers, rising. `key_at`, `key_length`: where the row's key is.
    `part`: the letter of the part, 0 if there is none that `saved` knows; `number`: of the part. All int64, shape
    (records,)."""

    record: Int64Array
    key_at: Int64Array
    key_length: Int64Array
    part: Int64Array
    number: Int64Array


def restore_rows(entity: str, records: PackedRecords, index: KeyIndex, arena: Arena) -> int:
    """Write those of `records` that belong to rows of `entity` into its arena; returns how many they are.

    Raises `ValueError` for a row that this layout cannot hold.
    """
    prefix = entity.encode() + b"\0"
    parts = _Parts(*(np.empty(records.n, np.int64) for _ in _Parts._fields))
    n = _locate(records.keys, np.frombuffer(prefix + bytes(PADDING), np.uint8), len(prefix), parts)
    if n == 0:
        return 0
    parts = _Parts._make(column[:n] for column in parts)
    row = index.rows_of_spans(records.keys.buffer, parts.key_at, parts.key_length)
    arena.make_room_for_rows(index.rows)
    fits = (row >= 0) & (parts.part != 0)
    if not fits.all():
        key = records.keys.rows(parts.record[~fits][:1]).strings()[0]
        raise ValueError(f"a saved record has the key {key!r}, which is not that of a part of a row.")
    headed = (parts.part != PANES_PART) & (parts.part != LABELS_PART)
    _restore_headers(arena, row[headed], records.values.rows(parts.record[headed]))
    of_overflow = (parts.part != CHUNK_PART) & (parts.part != LABELS_PART)
    beyond = np.unique(row[of_overflow & (arena.rows.overflow[row] < 0)])
    while arena.tops.used[OVERFLOWS_USED] + len(beyond) > len(arena.overflows.pane):
        arena.make_room_for_overflows()
    overflows = overflow_bytes(arena.overflows, arena.shape.panes)
    slot_bytes = np.asarray(arena.slots).view(np.uint8)
    recent = arena.tops.recent.view(np.uint8)
    unfit = _write_parts(parts, records.values, row, arena.rows, arena.tops, slot_bytes, overflows, recent)
    if unfit != _ALL:
        key = records.keys.rows(parts.record[unfit : unfit + 1]).strings()[0]
        raise ValueError(f"the saved record of the key {key!r} has a length that no part of a row has: another layout.")
    return n


def _restore_headers(arena: Arena, row: Int64Array, values: Packed) -> None:
    """Give each of `row`, int64, shape (n,), the last of its headers, and a block. `values`: begin with n headers."""
    if (values.length < HEADER_BYTES).any():
        raise ValueError("a saved record is too short for a row's header: another layout.")
    row, latest = np.unique(row[::-1], return_index=True)
    data = np.empty((len(row), HEADER_BYTES), np.uint8)
    _copy_headers(values.buffer, values.at[::-1][latest], data)
    headers = data.view(HEADER)[:, 0]
    if not np.isin(headers["room"], arena.sizes).all():
        raise ValueError("a saved row has a block of a size that this catalogue's rows do not take: another layout.")
    while not arena.has_room_for(int(headers["room"].sum())):
        arena.make_room_for_slots()
    resize_all(arena.rows, arena.slots, arena.tops, arena.sizes, row, headers["room"].astype(np.int64))
    for name in ("floor_ms", "first_ms", "start", "held", "uncounted"):
        getattr(arena.rows, name)[row] = headers[name]


@entry_point
def _locate(keys: Packed, prefix: UInt8Array, prefix_length: int, parts: _Parts) -> int:
    """Find the records of an entity, whose keys begin with `prefix`; returns how many they are."""
    n, buffer = 0, keys.buffer
    for i in range(len(keys.at)):
        at, end = keys.at[i], keys.at[i] + keys.length[i]
        if not _begins_with(buffer, at, end, prefix, prefix_length):
            continue
        begin, nul = at + prefix_length, end - 1
        while nul > begin and buffer[nul] != 0:
            nul -= 1
        parts.record[n], parts.key_at[n], parts.key_length[n] = i, begin, nul - begin
        parts.part[n], parts.number[n] = _part_of(buffer, nul + 1, end)
        n += 1
    return n


@jit
def _begins_with(buffer: UInt8Array, at: int, end: int, prefix: UInt8Array, prefix_length: int) -> bool:
    same = 0
    while same < min(prefix_length, end - at) and buffer[at + same] == prefix[same]:
        same += 1
    return same == prefix_length


@jit
def _part_of(buffer: UInt8Array, at: int, end: int) -> tuple[int, int]:
    """Letter and number of the part that a key names from `at` on; the letter is 0 if it names none."""
    if at >= end:
        return 0, 0
    letter, number = int(buffer[at]), 0
    if letter in (OVERFLOW_PART, LABELS_PART):
        return (letter, 0) if end == at + 1 else (0, 0)
    if (letter not in (CHUNK_PART, PANES_PART)) or not 1 <= end - at - 1 <= 4:
        return 0, 0
    for k in range(at + 1, end):
        digit = int(buffer[k]) - 0x30
        if not 0 <= digit <= 9:
            return 0, 0
        number = 10 * number + digit
    return letter, number


@entry_point
def _copy_headers(buffer: UInt8Array, at: Int64Array, data: UInt8Array) -> None:
    """Copy the header at each of `at` to a row of `data`, uint8, shape (n, HEADER_BYTES)."""
    for i in range(len(at)):
        _copy(data[i], 0, buffer, at[i], HEADER_BYTES)


@entry_point
def _write_parts(
    parts: _Parts,
    values: Packed,
    row: Int64Array,
    rows: Rows,
    tops: Tops,
    slot_bytes: UInt8Array,
    overflows: OverflowBytes,
    recent: UInt8Array,
) -> int:
    """Copy the parts into their rows, whose blocks are there. Returns the number of the first that does not fit, or
    `_ALL`. `row`: of each part. There is room for as many overflows as are needed.
    `recent`: the last labelled payments, uint8, shape (rows, bytes of a row's)."""
    for i in range(len(row)):
        at, length = values.at[parts.record[i]], values.length[parts.record[i]]
        if parts.part[i] == CHUNK_PART:
            size, first = length - HEADER_BYTES, CHUNK * parts.number[i]
            if size <= 0 or size % _SLOT_BYTES != 0 or first + size // _SLOT_BYTES > rows.room[row[i]]:
                return i
            begin = (rows.block[row[i]] + first) * _SLOT_BYTES
            _copy(slot_bytes, begin, values.buffer, at + HEADER_BYTES, size)
            continue
        if parts.part[i] == LABELS_PART:
            if length != recent.shape[1]:
                return i
            _copy(recent[row[i]], 0, values.buffer, at, length)
            continue
        overflow = overflow_of(rows, tops, row[i])
        if parts.part[i] == OVERFLOW_PART:
            fits = _read_overflow(overflows, overflow, values.buffer, at + HEADER_BYTES, length - HEADER_BYTES)
        else:
            fits = _read_panes(overflows, overflow, parts.number[i], values.buffer, at, length)
        if not fits:
            return i
    return _ALL


@jit
def _read_overflow(overflows: OverflowBytes, overflow: int, buffer: UInt8Array, at: int, length: int) -> bool:
    """Read the columns of part e; of the payments at the floor, those that are not saved become 0. Returns False if
    their length is wrong."""
    end = at + length
    for column in overflows.fixed:
        if at + column.shape[1] > end:
            return False
        at = _copy(column[overflow], 0, buffer, at, column.shape[1])
    known = overflows.floor_event[overflow]
    if end - at > len(known):
        return False
    _copy(known, 0, buffer, at, end - at)
    known[end - at :] = 0
    return True


@jit
def _read_panes(overflows: OverflowBytes, overflow: int, group: int, buffer: UInt8Array, at: int, length: int) -> bool:
    """Read the panes of a group and their cells. Returns False if their length is wrong."""
    first = CHUNK * group
    count = min(CHUNK, overflows.dirty.shape[1] - first)
    if count <= 0 or length != count * (overflows.pane_bytes + overflows.cell_bytes):
        return False
    for data, width in ((overflows.pane, overflows.pane_bytes), (overflows.cell, overflows.cell_bytes)):
        at = _copy(data[overflow], first * width, buffer, at, count * width)
    return True


@jit
def _copy(target: UInt8Array, to: int, source: UInt8Array, at: int, length: int) -> int:
    """Copy bytes; returns the index after them in the source."""
    for k in range(length):
        target[to + k] = source[at + k]
    return at + length
