"""Where the records of changed rows are written: pieces of bounded size, filled by compiled code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import sealed
from fraudstream.compiled.writing import put_bytes, put_decimal
from fraudstream.engine.arrays import Int64Array, UInt8Array
from fraudstream.engine.packed_records import PackedRecords


class Piece(NamedTuple):
    """Where records are written. `out`: uint8, with `PADDING` bytes that no record takes. The others: where key and
    value of each record begin in it, and how long they are; int64, shape (records at most,)."""

    out: UInt8Array
    key_at: Int64Array
    key_length: Int64Array
    value_at: Int64Array
    value_length: Int64Array


class RowKeys(NamedTuple):
    """The keys of all rows. `prefix`: what each begins with, padded, of `prefix_length` bytes. `text`, `begin`: as in
    `KeyIndex`."""

    prefix: UInt8Array
    prefix_length: int
    text: UInt8Array
    begin: Int64Array


def new_piece(size: int, records: int) -> Piece:
    """An empty piece. Pages that nothing is written to cost no memory."""
    return Piece(np.empty(size + PADDING, np.uint8), *(np.empty(records, np.int64) for _ in range(4)))


def sealed_records(piece: Piece, n: int) -> PackedRecords:
    """The first `n` records of a piece."""
    keys = sealed(piece.out, piece.key_at[:n], piece.key_length[:n])
    return PackedRecords(keys, keys._replace(at=piece.value_at[:n], length=piece.value_length[:n]))


@jit
def key_length(keys: RowKeys, row: int) -> int:
    """Bytes of what the keys of a row's records have in common."""
    length: int = keys.prefix_length + keys.begin[row + 1] - keys.begin[row]
    return length


@jit
def write_key(piece: Piece, n: int, end: int, keys: RowKeys, row: int, part: int, number: int) -> int:
    """Write the key of record `n`: that of the row, a NUL, the part's letter and its number unless that is below 0.
    Returns where the key ends."""
    out = piece.out
    at = put_bytes(out, end, keys.prefix, 0, keys.prefix_length)
    at = put_bytes(out, at, keys.text, keys.begin[row], keys.begin[row + 1] - keys.begin[row])
    out[at], out[at + 1] = 0, part
    at += 2
    if number >= 0:
        at = put_decimal(out, at, number)
    piece.key_at[n], piece.key_length[n] = end, at - end
    return at
