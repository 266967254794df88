"""The format in which rows are written to a changelog and read back.

A changelog is compacted by key, so each record holds everything for its key, and a key identifies a part of a row that
changes together:

    entity \\0 key \\0 c3     the row's header, and slots 12 to 15 of its block
    entity \\0 key \\0 e      the row's header, and its overflow's last times, evicted values and payments at the floor
    entity \\0 key \\0 p2     the overflow's panes 8 to 11

A header never changes without a slot or the overflow, so it has no record of its own: the last record written for a row
has the current header. Numbers are little-endian, as in the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudstream.engine.arena import CHUNK, DIRTY_ROWS, FLOOR_EVENTS_MAX, OVERFLOW_DIRTY, OVERFLOWS_USED, SLOT, Arena
from fraudstream.engine.arrays import BoolArray, Int64Array, UInt8Array
from fraudstream.engine.key_index import KeyIndex
from fraudstream.engine.ring import overflow_of, resize_all

_HEADER = np.dtype(
    [
        ("floor_ms", "<i8"),
        ("first_ms", "<i8"),
        ("room", "<i4"),
        ("start", "<i4"),
        ("held", "<i4"),
        ("uncounted", "<i4"),
    ],
    align=False,
)
_HEADER_BYTES = _HEADER.itemsize
_FLOOR_EVENTS_SHORT = 4  # saved of most overflows: more payments rarely leave at one moment


class SavedPart(NamedTuple):
    """A record read back. `key`: of its row; `part`: c3, e or p2, as above; `value`: the record's."""

    key: str
    part: str
    value: bytes


def read_key(key: bytes) -> tuple[str, str, str]:
    """Entity, key and part of a saved record."""
    entity, _, rest = key.partition(b"\0")
    text, _, part = rest.rpartition(b"\0")
    return entity.decode(), text.decode(), part.decode()


def take_changes(entity: str, index: KeyIndex, arena: Arena) -> list[tuple[bytes, bytes]]:
    """Records (key, value) of everything that changed since the last call; afterwards nothing is dirty."""
    count = int(arena.tops.used[DIRTY_ROWS])
    if count == 0:
        return []
    dirty = arena.tops.stack[:count].astype(np.int64)
    keys = [b"%b\0%b\0" % (entity.encode(), index.key(row)) for row in dirty.tolist()]
    headers = _headers(arena, dirty)
    records = _chunk_records(arena, dirty, keys, headers)
    overflowed = np.flatnonzero(arena.rows.dirty[dirty] & OVERFLOW_DIRTY)
    if len(overflowed):
        overflows = arena.rows.overflow[dirty[overflowed]].astype(np.int64)
        records += _overflow_records(arena, overflows, [keys[i] for i in overflowed.tolist()], headers[overflowed])
    arena.rows.dirty[dirty] = 0
    arena.tops.used[DIRTY_ROWS] = 0
    return records


def restore(parts: Sequence[SavedPart], index: KeyIndex, arena: Arena) -> None:
    """Write saved parts into an empty arena. `parts`: in the order in which they were saved, each key and part once.

    Raises `ValueError` for a row that this layout can't hold.
    """
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
            _restore_overflow(arena, int(row[i]), part)


def _restore_headers(arena: Arena, row: Int64Array, data: bytes) -> None:
    """Give each of `row`, int64, shape (n,), the last of its headers, and a block. `data`: n headers."""
    headers = np.frombuffer(data, _HEADER)
    row, latest = np.unique(row[::-1], return_index=True)
    headers = headers[::-1][latest]
    if not np.isin(headers["room"], arena.sizes).all():
        raise ValueError("a saved row has a block of a size that this catalogue's rows do not take: another layout.")
    while not arena.has_room_for(int(headers["room"].sum())):
        arena.make_room_for_slots()
    resize_all(arena.rows, arena.slots, arena.tops, arena.sizes, row, headers["room"].astype(np.int64))
    for name in ("floor_ms", "first_ms", "start", "held", "uncounted"):
        getattr(arena.rows, name)[row] = headers[name]


def _restore_overflow(arena: Arena, row: int, part: SavedPart) -> None:
    """Write one part of a row's overflow, e or p."""
    if arena.tops.used[OVERFLOWS_USED] >= len(arena.overflows.pane):
        arena.make_room_for_overflows()
    overflow = overflow_of(arena.rows, arena.tops, row)
    if part.part == "e":
        end = _read(arena.overflows[2:-2], slice(overflow, overflow + 1), part.value, _HEADER_BYTES)
        known = np.frombuffer(part.value, np.uint32, offset=end)
        arena.overflows.floor_event[overflow, : len(known)] = known
    else:
        first = CHUNK * int(part.part[1:])
        panes = slice(first, min(first + CHUNK, arena.shape.panes))
        _read([column[overflow] for column in arena.overflows[:2]], panes, part.value)


def _headers(arena: Arena, dirty: Int64Array) -> UInt8Array:
    """The encoded headers of the rows `dirty`, int64, shape (n,): uint8, shape (n, _HEADER_BYTES)."""
    headers = np.zeros(len(dirty), _HEADER)
    for name in _HEADER.names or ():
        headers[name] = getattr(arena.rows, name)[dirty]
    return headers.view(np.uint8).reshape(len(dirty), _HEADER_BYTES)


class _Chunks(NamedTuple):
    """Chunks of CHUNK slots that rows have filled, int64, shape (chunks,).

    `owner`: index among the dirty rows. `number`: of the chunk in its block, from 0; `first`: its first slot.
    `length`: slots filled, from 1 to CHUNK.
    """

    owner: Int64Array
    number: Int64Array
    first: Int64Array
    length: Int64Array


def _filled_chunks(arena: Arena, dirty: Int64Array) -> _Chunks:
    """All filled chunks of the rows `dirty`, row by row.

    While a ring has not wrapped, the slots after its newest payment have never been written.
    """
    rows = arena.rows
    filled = np.where(rows.start[dirty] == 0, rows.held[dirty], rows.room[dirty]).astype(np.int64)
    counts = -(-filled // CHUNK)
    owner = np.repeat(np.arange(len(dirty)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    first = rows.block[dirty][owner] + CHUNK * number
    return _Chunks(owner, number, first, np.minimum(filled[owner] - CHUNK * number, CHUNK))


def _take_changed(arena: Arena, chunks: _Chunks) -> BoolArray:
    """Which chunks have a dirty slot: bool, shape (chunks,). Afterwards none of their slots is dirty."""
    slot = chunks.first[:, None] + np.arange(CHUNK)
    inside = np.arange(CHUNK) < chunks.length[:, None]
    dirty: BoolArray = arena.slots.dirty[np.where(inside, slot, chunks.first[:, None])] & inside
    arena.slots.dirty[slot[inside]] = False
    return np.asarray(dirty.any(axis=1))


def _chunk_records(
    arena: Arena, dirty: Int64Array, keys: list[bytes], headers: UInt8Array
) -> list[tuple[bytes, bytes]]:
    """A record of each chunk with a dirty slot, by length: those of equal length are encoded in one operation.

    `keys`, `headers`: of the rows `dirty`. Afterwards no slot of these rows is dirty.
    """
    chunks = _filled_chunks(arena, dirty)
    changed = _take_changed(arena, chunks)
    records: list[tuple[bytes, bytes]] = []
    for length in range(1, CHUNK + 1):
        at = np.flatnonzero(changed & (chunks.length == length))
        if not len(at):
            continue
        owners, numbers = chunks.owner[at], chunks.number[at]
        names = [keys[o] + b"c%d" % n for o, n in zip(owners.tolist(), numbers.tolist(), strict=True)]
        slots = arena.slots[chunks.first[at][:, None] + np.arange(length)]
        data = np.concatenate([headers[owners], slots.view(np.uint8).reshape(len(at), -1)], axis=1)
        records += _records(names, data)
    return records


def _overflow_records(
    arena: Arena, overflow: Int64Array, keys: list[bytes], headers: UInt8Array
) -> list[tuple[bytes, bytes]]:
    """Records of the overflows, int64, shape (n,), and of their dirty panes, which afterwards are not. `keys`,
    `headers`: of the rows they belong to."""
    overflows = arena.overflows
    records: list[tuple[bytes, bytes]] = []
    many = overflows.floor_count[overflow] > _FLOOR_EVENTS_SHORT
    for which, kept in ((~many, _FLOOR_EVENTS_SHORT), (many, FLOOR_EVENTS_MAX)):
        at = np.flatnonzero(which)
        if len(at):
            columns = [*overflows[2:-2], overflows.floor_event[:, :kept]]
            data = np.concatenate([headers[at], *_bytes(columns, overflow[at])], axis=1)
            records += _records([keys[i] + b"e" for i in at.tolist()], data)
    for number in range(-(-arena.shape.panes // CHUNK)):
        panes = slice(CHUNK * number, min(CHUNK * number + CHUNK, arena.shape.panes))
        at = np.flatnonzero(overflows.dirty[overflow, panes].any(axis=1))
        if len(at):
            data = np.concatenate(_bytes([column[:, panes] for column in overflows[:2]], overflow[at]), axis=1)
            records += _records([keys[i] + b"p%d" % number for i in at.tolist()], data)
    overflows.dirty[overflow] = False
    return records


def _bytes(columns: Any, where: Int64Array) -> list[UInt8Array]:
    """Each column's entries at `where` as bytes: uint8, shape (len(where), width). Columns of no width are left out."""
    return [
        np.ascontiguousarray(column[where]).view(np.uint8).reshape(len(where), -1)
        for column in columns
        if column[:1].size
    ]


def _records(keys: list[bytes], data: UInt8Array) -> list[tuple[bytes, bytes]]:
    """One record for each key and row of `data`, uint8, shape (len(keys), width)."""
    width, blob = data.shape[1], data.tobytes()
    return [(key, blob[i * width : i * width + width]) for i, key in enumerate(keys)]


def _read(columns: Any, where: slice, value: bytes, at: int = 0) -> int:
    """Write bytes that `_bytes` made, and that begin at index `at` of `value`, back to `where` of the columns. Returns
    the index after them."""
    for column in columns:
        target: NDArray[Any] = column[where]
        if target.size:
            target[...] = np.frombuffer(value, target.dtype, target.size, at).reshape(target.shape)
            at += target.nbytes
    return at
