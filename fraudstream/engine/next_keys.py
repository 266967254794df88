"""The keys that payments had in the next stage, so that a label that does not name them finds its way there.

A label's record is keyed like its payment's, so that both are in one partition of the next stage's log. A key is held
once, however many payments have it: an entry of the label index has its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from fraudstream.compiled.packed import Packed, pack
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.key_index import NO_ROW, KeyIndex

_CHUNK: Final = 256  # keys of one changelog record

_decode = msgspec.msgpack.Decoder(list[bytes]).decode


class NextKeys:
    """Keys, numbered from 0 in the order in which they were first seen."""

    def __init__(self) -> None:
        self._index = KeyIndex()
        self._saved = 0
        self._restored: dict[int, list[bytes]] = {}  # chunks that are not in the index yet

    def numbers_of(self, keys: Packed) -> Int64Array:
        """The number of each key, `NO_ROW` of the empty one: int64, shape (n,). A new key gets the next number."""
        self._connect()
        return self._index.rows_of_spans(*keys)

    def keys_of(self, numbers: Iterable[int]) -> list[bytes]:
        """The key of each number; empty for `NO_ROW`."""
        self._connect()
        return [b"" if number == NO_ROW else self._index.key(number) for number in numbers]

    def changes(self) -> list[tuple[int, bytes]]:
        """The chunks with new keys since the last call: (number, content)."""
        self._connect()
        first, count = self._saved // _CHUNK, self._index.rows
        chunks = range(first, -(-count // _CHUNK)) if count > self._saved else range(0)
        self._saved = count
        return [(chunk, self._content(_CHUNK * chunk, min(_CHUNK * chunk + _CHUNK, count))) for chunk in chunks]

    def restore(self, chunks: Iterable[tuple[int, bytes]]) -> None:
        """Read saved chunks back, in any order and in several calls; of two with one number the later one counts."""
        self._restored |= {chunk: _decode(content) for chunk, content in chunks}

    def _content(self, first: int, end: int) -> bytes:
        return msgspec.msgpack.encode([self._index.key(number) for number in range(first, end)])

    def _connect(self) -> None:
        """Put restored keys into the index, in their order."""
        if self._restored:
            chunks, self._restored = self._restored, {}
            keys = [key for chunk in sorted(chunks) for key in chunks[chunk]]
            numbers = self._index.rows_of_spans(*pack(keys))
            begin = _CHUNK * min(chunks)
            assert np.array_equal(numbers, np.arange(begin, begin + len(keys))), "restored keys have other numbers"
            self._saved = self._index.rows
