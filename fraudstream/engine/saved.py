"""The form in which rows are written to a changelog and read back.

A changelog is compacted by key, so a record is whole for its key, and a key names a part of a row that changes
together:

    entity \\0 key \\0 c3     the row's header, and slots 12 to 15 of its block
    entity \\0 key \\0 e      the row's header, and its spill's last times and values
    entity \\0 key \\0 p2     the spill's panes 8 to 11

No header changes without a slot or the spill, so it needs no record of its own: of all that name a row, the last one
written tells it. Numbers are little-endian, as the arrays hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudstream.engine.arena import CHUNK, DIRTY_ROWS, OVERFLOW_DIRTY, OVERFLOWS_USED, SLOT, Arena
from fraudstream.engine.arrays import Int64Array, UInt8Array
from fraudstream.engine.key_index import KeyIndex
from fraudstream.engine.ring import overflow_of, resize_all

_HEADER = np.dtype(
    [("floor_ms", "<i8"), ("first_ms", "<i8"), ("room", "<i4"), ("start", "<i4"), ("held", "<i4")], align=False
)
_HEADER_BYTES = _HEADER.itemsize


class SavedPart(NamedTuple):
    """A record read back: the key of its row, which part it is, and its value."""

    key: str
    part: str
    value: bytes


def read_key(key: bytes) -> tuple[str, str, str]:
    """Entity, key and part of a saved record."""
    entity, _, rest = key.partition(b"\0")
    text, _, part = rest.rpartition(b"\0")
    return entity.decode(), text.decode(), part.decode()


def take_changes(entity: str, index: KeyIndex, arena: Arena) -> list[tuple[bytes, bytes]]:
    """The records of all that is dirty, which then no longer is."""
    count = int(arena.tops.used[DIRTY_ROWS])
    if count == 0:
        return []
    dirty = arena.tops.stack[:count].astype(np.int64)
    keys = [b"%b\0%b\0" % (entity.encode(), index.key(row)) for row in dirty.tolist()]
    headers = _headers(arena, dirty)
    records = _chunks(arena, dirty, keys, headers)
    overflowed = np.flatnonzero(arena.rows.dirty[dirty] & OVERFLOW_DIRTY)
    if len(overflowed):
        overflows = arena.rows.overflow[dirty[overflowed]].astype(np.int64)
        records += _overflows(arena, overflows, [keys[i] for i in overflowed.tolist()], headers[overflowed])
    arena.rows.dirty[dirty] = 0
    arena.tops.used[DIRTY_ROWS] = 0
    return records


def restore(parts: Sequence[SavedPart], index: KeyIndex, arena: Arena) -> None:
    """Write saved parts, in the order in which they were saved, each key and part once, into the arena."""
    row = index.rows_of([part.key for part in parts])
    arena.make_room_for_rows(index.rows)
    headed = [i for i, part in enumerate(parts) if part.part[0] != "p"]
    _restore_headers(arena, row[headed], b"".join([parts[i].value[:_HEADER_BYTES] for i in headed]))
    by_length: dict[int, list[int]] = {}
    for i in headed:
        if parts[i].part[0] == "c":
            by_length.setdefault(len(parts[i].value), []).append(i)
    for length, at in by_length.items():
        data = np.frombuffer(b"".join([parts[i].value for i in at]), np.uint8).reshape(len(at), length)
        slots = np.ascontiguousarray(data[:, _HEADER_BYTES:]).view(SLOT)
        first = arena.rows.block[row[at]] + CHUNK * np.array([int(parts[i].part[1:]) for i in at], np.int64)
        arena.slots[first[:, None] + np.arange(slots.shape[1])] = slots
    for i, part in enumerate(parts):
        if part.part[0] != "c":
            _restore_spill(arena, int(row[i]), part)


def _restore_headers(arena: Arena, row: Int64Array, data: bytes) -> None:
    headers = np.frombuffer(data, _HEADER)
    row, last = np.unique(row[::-1], return_index=True)
    headers = headers[::-1][last]
    if not np.isin(headers["room"], arena.sizes).all():
        raise ValueError("a saved row has a block of a size that this catalogue's rows do not take: another layout.")
    while not arena.has_room_for(int(headers["room"].sum())):
        arena.make_room_for_slots()
    resize_all(arena.rows, arena.slots, arena.tops, arena.sizes, row, headers["room"].astype(np.int64))
    for name in ("floor_ms", "first_ms", "start", "held"):
        getattr(arena.rows, name)[row] = headers[name]


def _restore_spill(arena: Arena, row: int, part: SavedPart) -> None:
    if arena.tops.used[OVERFLOWS_USED] >= len(arena.overflows.pane):
        arena.make_room_for_overflows()
    overflow = overflow_of(arena.rows, arena.tops, row)
    if part.part == "e":
        _read(arena.overflows[2:-1], slice(overflow, overflow + 1), part.value[_HEADER_BYTES:])
    else:
        first = CHUNK * int(part.part[1:])
        panes = slice(first, min(first + CHUNK, arena.shape.panes))
        _read([column[overflow] for column in arena.overflows[:2]], panes, part.value)


def _headers(arena: Arena, dirty: Int64Array) -> UInt8Array:
    headers = np.zeros(len(dirty), _HEADER)
    for name in _HEADER.names or ():
        headers[name] = getattr(arena.rows, name)[dirty]
    return headers.view(np.uint8).reshape(len(dirty), _HEADER_BYTES)


def _chunks(arena: Arena, dirty: Int64Array, keys: list[bytes], headers: UInt8Array) -> list[tuple[bytes, bytes]]:
    rows, slots = arena.rows, arena.slots
    # While the ring has not wrapped, the slots behind the newest payment have never been written.
    filled = np.where(rows.start[dirty] == 0, rows.held[dirty], rows.room[dirty]).astype(np.int64)
    counts = -(-filled // CHUNK)
    owner = np.repeat(np.arange(len(dirty)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    first = rows.block[dirty][owner] + CHUNK * number
    length = np.minimum(filled[owner] - CHUNK * number, CHUNK)
    reach = first[:, None] + np.arange(CHUNK)
    inside = np.arange(CHUNK) < length[:, None]
    changed = (slots.dirty[np.where(inside, reach, first[:, None])] & inside).any(axis=1)
    slots.dirty[reach[inside]] = False
    records: list[tuple[bytes, bytes]] = []
    for held in range(1, CHUNK + 1):
        at = np.flatnonzero(changed & (length == held))
        if len(at):
            where = first[at][:, None] + np.arange(held)
            names = [keys[o] + b"c%d" % n for o, n in zip(owner[at].tolist(), number[at].tolist(), strict=True)]
            held_bytes = slots[where].view(np.uint8).reshape(len(at), -1)
            records += _records(names, np.concatenate([headers[owner[at]], held_bytes], axis=1))
    return records


def _overflows(arena: Arena, overflow: Int64Array, keys: list[bytes], headers: UInt8Array) -> list[tuple[bytes, bytes]]:
    overflows = arena.overflows
    lasts = np.concatenate([headers, *_bytes(overflows[2:-1], overflow)], axis=1)
    records = _records([key + b"e" for key in keys], lasts)
    for number in range(-(-arena.shape.panes // CHUNK)):
        panes = slice(CHUNK * number, min(CHUNK * number + CHUNK, arena.shape.panes))
        at = np.flatnonzero(overflows.dirty[overflow, panes].any(axis=1))
        if len(at):
            data = np.concatenate(_bytes([column[:, panes] for column in overflows[:2]], overflow[at]), axis=1)
            records += _records([keys[i] + b"p%d" % number for i in at.tolist()], data)
    overflows.dirty[overflow] = False
    return records


def _bytes(columns: Any, where: Int64Array) -> list[UInt8Array]:
    """What each column holds at `where`, as bytes, shape (len(where), …)."""
    return [
        np.ascontiguousarray(column[where]).view(np.uint8).reshape(len(where), -1)
        for column in columns
        if column[:1].size
    ]


def _records(keys: list[bytes], data: UInt8Array) -> list[tuple[bytes, bytes]]:
    width, blob = data.shape[1], data.tobytes()
    return [(key, blob[i * width : i * width + width]) for i, key in enumerate(keys)]


def _read(columns: Any, where: slice, value: bytes) -> None:
    """Write the bytes that `_bytes` made back to `where`."""
    at = 0
    for column in columns:
        target: NDArray[Any] = column[where]
        if target.size:
            target[...] = np.frombuffer(value, target.dtype, target.size, at).reshape(target.shape)
            at += target.nbytes
