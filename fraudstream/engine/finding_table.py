"""The numbers of a rule set's findings, by the rules that fired and whether the score reaches its threshold."""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.jit import inlined_entry_point, jit
from fraudstream.engine.arrays import Int64Array, UInt64Array

NONE: Final = -1

_ROOM: Final = 64  # combinations at first; few occur


class FindingTable:
    """A hash table with open addressing, at most half full. `words`: of the bits of the rules.

    `keys`: the bits of the rules that fired, then 1 if the score reaches the threshold; uint64, shape (a power of two,
    words + 1). `numbers`: of the finding, `NONE` where free; int64, shape (the same,).
    """

    def __init__(self, words: int) -> None:
        self.keys: UInt64Array = np.zeros((_ROOM, words + 1), np.uint64)
        self.numbers: Int64Array = np.full(_ROOM, NONE, np.int64)
        self._held = 0

    def add(self, fired: UInt64Array, above: bool, number: int) -> None:
        """Enter a combination that is not in the table. `fired`: bits of the rules; uint64, shape (words,)."""
        if (self._held + 1) * 2 > len(self.numbers):
            self._grow()
        self._held += 1
        self._enter(np.append(fired, np.uint64(above)), number)

    def _enter(self, key: UInt64Array, number: int) -> None:
        with np.errstate(over="ignore"):
            bucket = int(bucket_of(key[:-1].reshape(-1, 1), 0, bool(key[-1]), len(self.numbers)))
        while self.numbers[bucket] != NONE:
            bucket = (bucket + 1) % len(self.numbers)
        self.keys[bucket], self.numbers[bucket] = key, number

    def _grow(self) -> None:
        keys, numbers = self.keys, self.numbers
        self.keys = np.zeros((2 * len(keys), keys.shape[1]), np.uint64)
        self.numbers = np.full(2 * len(numbers), NONE, np.int64)
        for at in np.flatnonzero(numbers != NONE).tolist():
            self._enter(keys[at], int(numbers[at]))


@inlined_entry_point
def bucket_of(fired: UInt64Array, i: int, above: bool, size: int) -> np.int64:
    """Where the search for payment `i` begins. `fired`: bits of the rules; uint64, shape (words, n)."""
    code = np.uint64(above)
    for word in range(len(fired)):
        code = (code ^ fired[word, i]) * np.uint64(0x9E3779B97F4A7C15)
        code = code ^ (code >> np.uint64(29))
    return np.int64(code & np.uint64(size - 1))


@jit
def number_of(fired: UInt64Array, i: int, above: bool, keys: UInt64Array, numbers: Int64Array) -> np.int64:
    """The number of the finding of payment `i`; `NONE` if the table does not hold it. `keys`, `numbers`: the table."""
    words, bucket = len(fired), bucket_of(fired, i, above, len(numbers))
    while numbers[bucket] != NONE:
        same = keys[bucket, words] == np.uint64(above)
        for word in range(words):
            same = same and keys[bucket, word] == fired[word, i]
        if same:
            return np.int64(numbers[bucket])
        bucket = (bucket + 1) & (len(numbers) - 1)
    return np.int64(NONE)
