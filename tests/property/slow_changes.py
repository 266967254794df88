"""Changed rows as records, made with numpy and Python objects: the slow twin of `engine.changed_rows`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fraudstream.engine.arena import CHUNK, DIRTY_ROWS, FLOOR_EVENTS_MAX, LABELS_DIRTY, OVERFLOW_DIRTY, Arena
from fraudstream.engine.arrays import BoolArray, Int64Array, UInt8Array
from fraudstream.engine.key_index import KeyIndex

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
_FLOOR_EVENTS_SHORT = 4


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
    labelled = np.flatnonzero(arena.rows.dirty[dirty] & LABELS_DIRTY)
    if len(labelled):
        recent = np.ascontiguousarray(arena.tops.recent[dirty[labelled]]).view(np.uint8)
        records += _records([keys[i] + b"l" for i in labelled.tolist()], recent)
    arena.rows.dirty[dirty] = 0
    arena.tops.used[DIRTY_ROWS] = 0
    return records


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
