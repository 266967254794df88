"""The row of each key: a hash table over the keys' bytes, filled and searched a batch at a time.

Keys are compared by all their bytes. A key costs its own length and about 40 bytes, and a lookup one or two cache
misses, which overlap from key to key; a dict of strings takes four times the memory and four times as long.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fraudstream.compiled.jit import entry_point
from fraudstream.engine.arrays import Int64Array, UInt8Array
from fraudstream.engine.siphash import hash_between, padded

NO_ROW = -1

_SEPARATOR = "\0"
# The key of the hashes, which are not saved. Python draws it for each process, so nobody can choose keys that collide.
_LOW, _HIGH = (np.uint64(hash(half) & ((1 << 64) - 1)) for half in ("low", "high"))


class KeyIndex:
    """Rows by key, numbered from 0 in the order in which keys are first seen."""

    def __init__(self) -> None:
        self.rows = 0
        self._table = np.zeros((256, 2), np.int64)  # (hash, row + 1); open addressing, at most half full
        self._text = np.zeros(4096, np.uint8)  # the keys in UTF-8, concatenated
        self._begin = np.zeros(129, np.int64)  # offset of each in `_text`, and of the next one

    def rows_of(self, keys: Sequence[str | None], add: bool = True) -> Int64Array:
        """The row of each key, int64, shape (n,); `NO_ROW` for None and for the empty key. A new key gets the next row,
        or `NO_ROW` where `add` is False.
        """
        joined = _SEPARATOR.join([key or "" for key in keys] if None in keys else keys)  # type: ignore[arg-type]
        if joined.count(_SEPARATOR) != max(len(keys) - 1, 0):  # a key holds the separator itself
            return np.concatenate([self._rows_of(key or "", 1, add) for key in keys])
        return self._rows_of(joined, len(keys), add)

    def key(self, row: int) -> bytes:
        """The key of a row, in UTF-8."""
        return self._text[self._begin[row] : self._begin[row + 1]].tobytes()

    def _rows_of(self, joined: str, n: int, add: bool) -> Int64Array:
        """As `rows_of`, of `n` keys joined by the separator."""
        encoded = joined.encode()
        data = padded(encoded)
        rows = np.empty(n, np.int64)
        if add:
            self._make_room(n, len(encoded))
        if n:
            separator = ord(_SEPARATOR) if n > 1 else -1
            ends, codes = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
            codes[n] = _hash(data, len(encoded), separator, ends, codes, self._table, self._begin, _LOW, _HIGH)
            self.rows = _find(data, ends, codes, rows, self._table, self._text, self._begin, self.rows, add)
        return rows

    def _make_room(self, keys: int, length: int) -> None:
        """Grow until `keys` more keys, of `length` bytes together, fit."""
        if (self.rows + keys) * 2 > len(self._table):
            table = np.zeros((1 << (3 * (self.rows + keys)).bit_length(), 2), np.int64)
            _refill(self._table, table)
            self._table = table
        if self.rows + keys >= len(self._begin):
            self._begin = np.resize(self._begin, (self.rows + keys) * 3 // 2 + 1)
        used = int(self._begin[self.rows])
        if used + length > len(self._text):
            self._text = np.resize(self._text, (used + length) * 3 // 2)


@entry_point
def _hash(
    data: UInt8Array,
    length: int,
    separator: int,
    ends: Int64Array,
    codes: Int64Array,
    table: Int64Array,
    begin: Int64Array,
    low: np.uint64,
    high: np.uint64,
) -> int:
    """Write the offset where each key ends, and its hash. Returns a sum that the caller stores, to keep the reads.

    Reads what `_find` will read, so that the cache misses of many keys overlap. `data`: uint8, the joined keys,
    padded; `length`: without the padding; `separator`: the byte between them, or -1; `ends`, `codes`: int64, shape
    (n + 1,), written up to n; `table`: int64, shape (a power of two, 2), of (hash, row + 1), row + 1 = 0 where free;
    `begin`: int64, offsets of the keys; `low`, `high`: the key of the hashes.
    """
    mask = len(table) - 1
    end, touched = -1, 0
    for i in range(len(ends) - 1):
        start = end + 1
        end = start
        while end < length and data[end] != separator:
            end += 1
        ends[i] = end
        codes[i] = np.int64(hash_between(data, start, end, low, high)) if end > start else 0
        touched += table[codes[i] & mask, 1]
    for i in range(len(ends) - 1):
        touched += begin[max(table[codes[i] & mask, 1] - 1, 0)]
    return touched


@entry_point
def _find(
    data: UInt8Array,
    ends: Int64Array,
    codes: Int64Array,
    rows: Int64Array,
    table: Int64Array,
    text: UInt8Array,
    begin: Int64Array,
    count: int,
    add: bool,
) -> int:
    """Write the row of each key to `rows`, int64, shape (n,). Returns how many keys there are afterwards.

    `ends`, `codes`: as `_hash` wrote them; `text`: uint8, the known keys; `count`: how many there are; `add`: new keys
    get the next rows, else `NO_ROW`. The other parameters as of `_hash`. The caller has made room.
    """
    mask = len(table) - 1
    start = 0
    for i in range(len(rows)):
        end, code, row = ends[i], codes[i], NO_ROW
        bucket = code & mask
        while end > start and table[bucket, 1] != 0:
            candidate = table[bucket, 1] - 1
            at = begin[candidate]
            if table[bucket, 0] == code and begin[candidate + 1] - at == end - start:
                same = 0
                while same < end - start and text[at + same] == data[start + same]:
                    same += 1
                if same == end - start:
                    row = candidate
                    break
            bucket = (bucket + 1) & mask
        if row == NO_ROW and add and end > start:
            row = count
            count += 1
            table[bucket, 0], table[bucket, 1] = code, count
            at = begin[row]
            for k in range(end - start):
                text[at + k] = data[start + k]
            begin[count] = at + end - start
        rows[i] = row
        start = end + 1
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
