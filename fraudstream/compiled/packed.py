"""Byte strings packed into one buffer, as compiled code reads and writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.memory import PADDING

MISSING: Final = -1  # the length of a byte string that is missing, which is not the empty one

UInt8Array = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]


class Packed(NamedTuple):
    """`n` byte strings. `buffer`: uint8, with `memory.PADDING` bytes after the last one. `at`, `length`: where each
    begins in it, and its bytes, `MISSING` if it is missing; int64, shape (n,).

    Compiled code has another type for a buffer that is not read-only: see `read_only`.
    """

    buffer: UInt8Array
    at: Int64Array
    length: Int64Array

    def strings(self) -> list[bytes | None]:
        """The byte strings as Python objects, None where one is missing."""
        data = self.buffer.data
        return [
            None if n == MISSING else data[at : at + n].tobytes()
            for at, n in zip(self.at.tolist(), self.length.tolist(), strict=True)
        ]

    def read_only(self) -> Packed:
        """The same byte strings, by a view of the buffer that cannot be written."""
        if not self.buffer.flags.writeable:
            return self
        view = self.buffer.view()
        view.flags.writeable = False
        return Packed(view, self.at, self.length)

    def present(self) -> list[bytes]:
        """The byte strings as Python objects, where none is missing."""
        data = self.buffer.data
        return [data[at : at + n].tobytes() for at, n in zip(self.at.tolist(), self.length.tolist(), strict=True)]

    def rows(self, rows: Int64Array) -> Packed:
        """Some of the byte strings, in the order of `rows`, in the same buffer. `rows`: indices; int64, shape (m,)."""
        return Packed(self.buffer, self.at[rows], self.length[rows])


def pack(strings: Iterable[bytes | None]) -> Packed:
    """Pack byte strings.

    >>> pack([b"two", b"", None, b"one"]).strings()
    [b'two', b'', None, b'one']
    """
    held = list(strings)
    present = [string for string in held if string]
    length = np.fromiter((MISSING if string is None else len(string) for string in held), np.int64, len(held))
    size = np.maximum(length, 0)
    at = np.cumsum(size) - size
    buffer = np.frombuffer(b"".join([*present, bytes(PADDING)]), np.uint8)
    return Packed(buffer, at, length)


def sealed(buffer: UInt8Array, at: Int64Array, length: Int64Array) -> Packed:
    """The byte strings that were written into `buffer`, which must not be written any more."""
    buffer.flags.writeable = False
    return Packed(buffer, at, length)


def repeated(string: bytes, n: int) -> Packed:
    """The same byte string `n` times, held once."""
    one = pack([string])
    return Packed(one.buffer, np.zeros(n, np.int64), np.full(n, len(string), np.int64))


def join(parts: Sequence[Packed]) -> Packed:
    """All byte strings of the parts, one part after the other, in one buffer."""
    size = [len(part.buffer) for part in parts]
    begin = np.cumsum(size) - size
    return Packed(
        np.concatenate([part.buffer for part in parts]),
        np.concatenate([part.at + first for part, first in zip(parts, begin, strict=True)]),
        np.concatenate([part.length for part in parts]),
    )
