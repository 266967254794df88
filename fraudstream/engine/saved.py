"""The format in which rows are written to a changelog and read back.

A changelog is compacted by key, so each record holds everything for its key, and a key identifies a part of a row that
changes together:

    entity \\0 key \\0 c3     the row's header, and slots 12 to 15 of its block
    entity \\0 key \\0 e      the row's header, and its overflow's last times, evicted values and payments at the floor
    entity \\0 key \\0 p2     the overflow's panes 8 to 11

A header never changes without a slot or the overflow, so it has no record of its own: the last record written for a row
has the current header. Numbers are little-endian, as in the arrays. `changed_rows` writes records, this module reads
them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudstream.engine.arena import CHUNK, OVERFLOWS_USED, SLOT, Arena
from fraudstream.engine.arrays import Int64Array
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


def _read(columns: Any, where: slice, value: bytes, at: int = 0) -> int:
    """Write bytes that `_bytes` made, and that begin at index `at` of `value`, back to `where` of the columns. Returns
    the index after them."""
    for column in columns:
        target: NDArray[Any] = column[where]
        if target.size:
            target[...] = np.frombuffer(value, target.dtype, target.size, at).reshape(target.shape)
            at += target.nbytes
    return at
