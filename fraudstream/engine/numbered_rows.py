"""Numbers of rows that are the same after a restore: what entries of the label index name rows by.

A restored state has its rows in the order in which a compacted changelog has them. So a row gets a number of its own
with its first entry, and the keys of numbered rows are saved in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from fraudstream.compiled.packed import pack
from fraudstream.engine.arrays import Int32Array, Int64Array
from fraudstream.engine.key_index import KeyIndex

NO_NUMBER: Final = -1

_CHUNK: Final = 256  # keys of one changelog record

_decode = msgspec.msgpack.Decoder(list[bytes]).decode


class NumberedRows:
    """The numbers of an entity's rows. `index`: its rows by key.

    `number_of`: of each row, its number or `NO_NUMBER`; int32. `row_of`: of each number, its row; int32. Both may be
    longer than needed. `count`: how many numbers there are; int64, shape (1,). Compiled code numbers rows.
    """

    def __init__(self, index: KeyIndex) -> None:
        self._index = index
        self.number_of: Int32Array = np.full(64, NO_NUMBER, np.int32)
        self.row_of: Int32Array = np.zeros(64, np.int32)
        self.count: Int64Array = np.zeros(1, np.int64)
        self._saved = 0
        self._restored: dict[int, list[bytes]] = {}  # chunks whose rows are not numbered yet

    def make_room(self) -> None:
        """Grow until every row of the entity can be numbered."""
        have, rows = len(self.row_of), self._index.rows
        if rows > have:
            more = max(rows, have + have // 2) - have
            self.number_of = np.append(self.number_of, np.full(more, NO_NUMBER, np.int32))
            self.row_of = np.append(self.row_of, np.zeros(more, np.int32))

    def changes(self) -> list[tuple[int, bytes]]:
        """The chunks with new numbers since the last call: (chunk, its keys)."""
        count, first = int(self.count[0]), self._saved // _CHUNK
        chunks = range(first, -(-count // _CHUNK)) if count > self._saved else range(0)
        self._saved = count
        return [(chunk, self._content(_CHUNK * chunk, min(_CHUNK * chunk + _CHUNK, count))) for chunk in chunks]

    def restore(self, chunks: Iterable[tuple[int, bytes]]) -> None:
        """Read saved chunks back, in any order and in several calls; of two with one number the later one counts."""
        self._restored |= {chunk: _decode(content) for chunk, content in chunks}

    def connect(self) -> None:
        """Number the restored rows, once all of them are there."""
        if not self._restored:
            return
        chunks, self._restored = self._restored, {}
        begin = _CHUNK * min(chunks)
        rows = self._index.rows_of_spans(*pack(key for chunk in sorted(chunks) for key in chunks[chunk]))
        self.make_room()
        self.row_of[begin : begin + len(rows)] = rows
        self.number_of[rows] = np.arange(begin, begin + len(rows))
        self.count[0] = self._saved = begin + len(rows)

    def _content(self, first: int, end: int) -> bytes:
        return msgspec.msgpack.encode([self._index.key(row) for row in self.row_of[first:end].tolist()])
