"""The form in which rows are written to a changelog and read back.

A changelog is compacted by key, so a record is whole for its key, and a key names a part of a row that changes together:

    entity \\0 key \\0 h      header: times, how many payments, where they begin
    entity \\0 key \\0 c3     slots 12 to 15 of its block
    entity \\0 key \\0 e      the spill's last times and values
    entity \\0 key \\0 p2     the spill's panes 8 to 11

Numbers are little-endian, as the arrays hold them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraudstream.engine.arena import CHUNK, DIRTY_ROWS, SLOT, SLOTS_USED, SPILL_DIRTY, SPILLS_USED, Arena
from fraudstream.engine.arrays import Int64Array, UInt8Array
from fraudstream.engine.key_index import KeyIndex
from fraudstream.engine.ring import resize, spill_of

_HEADER = np.dtype(
    [("floor_ms", "<i8"), ("first_ms", "<i8"), ("room", "<i4"), ("start", "<i4"), ("held", "<i4")], align=False
)
_SIZE_BYTES = 4  # a chunk begins with the size of its block


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
    records = _headers(arena, dirty, keys) + _chunks(arena, dirty, keys)
    spilled = np.flatnonzero(arena.rows.dirty[dirty] & SPILL_DIRTY)
    if len(spilled):
        records += _spills(
            arena, arena.rows.spill[dirty[spilled]].astype(np.int64), [keys[i] for i in spilled.tolist()]
        )
    arena.rows.dirty[dirty] = 0
    arena.tops.used[DIRTY_ROWS] = 0
    return records


def restore_part(arena: Arena, row: int, part: str, value: bytes) -> None:
    """Write one saved part into the arena."""
    rows = arena.rows
    if part == "h":
        header = np.frombuffer(value, _HEADER)[0]
        _grow(arena, row, int(header["room"]))
        rows.floor_ms[row], rows.first_ms[row] = header["floor_ms"], header["first_ms"]
        rows.start[row], rows.held[row] = header["start"], header["held"]
    elif part[0] == "c":
        _grow(arena, row, int.from_bytes(value[:_SIZE_BYTES], "little"))
        first = int(arena.rows.block[row]) + CHUNK * int(part[1:])
        slots = np.frombuffer(value, SLOT, offset=_SIZE_BYTES)
        arena.slots[first : first + len(slots)] = slots
    else:
        if arena.tops.used[SPILLS_USED] >= len(arena.spills.pane):
            arena.make_room_for_spills()
        spill = spill_of(rows, arena.tops, row)
        if part == "e":
            _read(arena.spills[2:-1], slice(spill, spill + 1), value)
        else:
            first = CHUNK * int(part[1:])
            last = min(first + CHUNK, arena.shape.panes)
            _read([column[spill] for column in arena.spills[:2]], slice(first, last), value)


def _headers(arena: Arena, dirty: Int64Array, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
    headers = np.zeros(len(dirty), _HEADER)
    for name in _HEADER.names or ():
        headers[name] = getattr(arena.rows, name)[dirty]
    return _records([key + b"h" for key in keys], headers.view(np.uint8).reshape(len(dirty), -1))


def _chunks(arena: Arena, dirty: Int64Array, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
    rows, slots = arena.rows, arena.slots
    size, base = rows.room[dirty].astype(np.int64), rows.block[dirty]
    # While the ring has not wrapped, the slots behind the newest payment have never been written.
    filled = np.where(rows.start[dirty] == 0, rows.held[dirty], size).astype(np.int64)
    counts = -(-filled // CHUNK)
    owner = np.repeat(np.arange(len(dirty)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    first = base[owner] + CHUNK * number
    length = np.minimum(filled[owner] - CHUNK * number, CHUNK)
    reach = first[:, None] + np.arange(CHUNK)
    inside = np.arange(CHUNK) < length[:, None]
    changed = (slots.dirty[np.where(inside, reach, first[:, None])] & inside).any(axis=1)
    slots.dirty[reach[inside]] = False
    records: list[tuple[bytes, bytes]] = []
    for slots_held in range(1, CHUNK + 1):
        at = np.flatnonzero(changed & (length == slots_held))
        if len(at):
            where = first[at][:, None] + np.arange(slots_held)
            sizes = size[owner[at]].astype("<i4").view(np.uint8).reshape(len(at), _SIZE_BYTES)
            held = slots[where].view(np.uint8).reshape(len(at), -1)
            names = [keys[o] + b"c%d" % n for o, n in zip(owner[at].tolist(), number[at].tolist(), strict=True)]
            records += _records(names, np.concatenate([sizes, held], axis=1))
    return records


def _spills(arena: Arena, spill: Int64Array, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
    spills = arena.spills
    records: list[tuple[bytes, bytes]] = []
    records += _records([key + b"e" for key in keys], np.concatenate(_bytes(spills[2:-1], spill), axis=1))
    for number in range(-(-arena.shape.panes // CHUNK)):
        panes = slice(CHUNK * number, min(CHUNK * number + CHUNK, arena.shape.panes))
        at = np.flatnonzero(spills.dirty[spill, panes].any(axis=1))
        if len(at):
            data = np.concatenate(_bytes([column[:, panes] for column in spills[:2]], spill[at]), axis=1)
            records += _records([keys[i] + b"p%d" % number for i in at.tolist()], data)
    spills.dirty[spill] = False
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


def _grow(arena: Arena, row: int, size: int) -> None:
    if size > arena.rows.room[row]:
        while arena.tops.used[SLOTS_USED] + arena.shape.slots_max >= len(arena.slots):
            arena.make_room_for_slots()
        resize(arena.rows, arena.slots, arena.tops, arena.sizes, row, size)
