"""The row of each key: a hash table over the keys' bytes, filled and searched a batch at a time.

Keys are compared by all their bytes. A key costs its own length and about 40 bytes, and a lookup one or two cache
misses, which overlap from key to key; a dict of strings takes four times the memory and four times as long.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.compiled.jit import entry_point
from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import pack
from fraudstream.engine.arrays import Int64Array, UInt8Array
from fraudstream.engine.siphash import hash_between

NO_ROW = -1

# The key of the hashes, which are not saved. Python draws it for each process, so nobody can choose keys that collide.
_LOW, _HIGH = (np.uint64(hash(half) & ((1 << 64) - 1)) for half in ("low", "high"))


class KeyIndex:
    """Rows by key, numbered from 0 in the order in which keys are first seen."""

    def __init__(self) -> None:
        self.rows = 0
        self._table = np.zeros((256, 2), np.int64)  # (hash, row + 1); open addressing, at most half full
        self._text = np.zeros(4096, np.uint8)  # the keys in UTF-8, concatenated
        self._begin = np.zeros(129, np.int64)  # offset of each in `_text`, and of the next one
        self._codes = np.zeros(0, np.int64)  # scratch
        self._hash, self._find = Direct(_hash), Direct(_find)

    def rows_of(self, keys: Sequence[str | None], add: bool = True) -> Int64Array:
        """As `rows_of_spans`, of texts; None counts as the empty key."""
        return self.rows_of_spans(*pack((key or "").encode() for key in keys), add)

    def rows_of_spans(self, buffer: UInt8Array, at: Int64Array, length: Int64Array, add: bool = True) -> Int64Array:
        """The row of each key, int64, shape (n,); `NO_ROW` for the empty key. A new key gets the next row, or `NO_ROW`
        where `add` is False.

        `buffer`, `at`, `length`: the keys in UTF-8, as in `compiled.packed.Packed`.
        """
        rows = np.empty(len(at), np.int64)
        if len(at):
            if len(at) >= len(self._codes):
                self._codes = np.zeros(len(at) * 3 // 2 + 1, np.int64)
            total = self._hash(buffer, at, length, self._codes, self._table, self._begin, _LOW, _HIGH)
            if add:
                self._make_room(len(at), total)
            self.rows = self._find(
                buffer, at, length, self._codes, rows, self._table, self._text, self._begin, self.rows, add
            )
        return rows

    def key(self, row: int) -> bytes:
        """The key of a row, in UTF-8."""
        return self._text[self._begin[row] : self._begin[row + 1]].tobytes()

    @property
    def texts(self) -> tuple[UInt8Array, Int64Array]:
        """The keys in UTF-8, one after the other, with `memory.PADDING` bytes after them; and where each begins, and
        the last one ends: int64, shape (rows + 1,) or longer."""
        return self._text, self._begin

    def _make_room(self, keys: int, length: int) -> None:
        """Grow until `keys` more keys, of `length` bytes together, fit."""
        if (self.rows + keys) * 2 > len(self._table):
            table = np.zeros((1 << (3 * (self.rows + keys)).bit_length(), 2), np.int64)
            _refill(self._table, table)
            self._table = table
        if self.rows + keys >= len(self._begin):
            self._begin = np.resize(self._begin, (self.rows + keys) * 3 // 2 + 1)
        used = int(self._begin[self.rows])
        if used + length + PADDING > len(self._text):
            self._text = np.resize(self._text, (used + length) * 3 // 2 + PADDING)


@entry_point
def _hash(
    buffer: UInt8Array,
    at: Int64Array,
    length: Int64Array,
    codes: Int64Array,
    table: Int64Array,
    begin: Int64Array,
    low: np.uint64,
    high: np.uint64,
) -> int:
    """Write the hash of each of n keys to `codes`, int64, longer than n, and behind them a sum that keeps the reads.
    Returns the bytes of all keys.

    Reads what `_find` will read, so that the cache misses of many keys overlap. `buffer`, `at`, `length`: as of
    `rows_of_spans`; `table`: int64, shape (a power of two, 2), of (hash, row + 1), row + 1 = 0 where free; `begin`:
    int64, offset of each known key; `low`, `high`: the key of the hashes.
    """
    mask = len(table) - 1
    touched = total = 0
    for i in range(len(at)):
        total += length[i]
        codes[i] = np.int64(hash_between(buffer, at[i], at[i] + length[i], low, high)) if length[i] > 0 else 0
        touched += table[codes[i] & mask, 1]
    for i in range(len(at)):
        touched += begin[max(table[codes[i] & mask, 1] - 1, 0)]
    codes[len(at)] = touched
    return total


@entry_point
def _find(
    buffer: UInt8Array,
    at: Int64Array,
    length: Int64Array,
    codes: Int64Array,
    rows: Int64Array,
    table: Int64Array,
    text: UInt8Array,
    begin: Int64Array,
    count: int,
    add: bool,
) -> int:
    """Write the row of each of n keys to `rows`, int64, shape (n,). Returns how many keys there are afterwards.

    `codes`: as `_hash` wrote them; `text`: uint8, the known keys; `count`: how many there are; `add`: new keys get the
    next rows, else `NO_ROW`. The other parameters as of `_hash`. The caller has made room.
    """
    mask = len(table) - 1
    for i in range(len(at)):
        start, size, code, row = at[i], length[i], codes[i], NO_ROW
        bucket = code & mask
        while size > 0 and table[bucket, 1] != 0:
            candidate = table[bucket, 1] - 1
            known = begin[candidate]
            if table[bucket, 0] == code and begin[candidate + 1] - known == size:
                same = 0
                while same < size and text[known + same] == buffer[start + same]:
                    same += 1
                if same == size:
                    row = candidate
                    break
            bucket = (bucket + 1) & mask
        if row == NO_ROW and add and size > 0:
            row = count
            count += 1
            table[bucket, 0], table[bucket, 1] = code, count
            known = begin[row]
            for k in range(size):
                text[known + k] = buffer[start + k]
            begin[count] = known + size
        rows[i] = row
    return count


@entry_point
def _refill(old: Int64Array, new: Int64Array) -> None:
    """Enter the keys of the table `old` in the empty, larger table `new`; both as in `_hash`."""
    mask = len(new) - 1
    for i in range(len(old)):
        if old[i, 1] != 0:
            bucket = old[i, 0] & mask
            while new[bucket, 1] != 0:
                bucket = (bucket + 1) & mask
            new[bucket, 0], new[bucket, 1] = old[i, 0], old[i, 1]
