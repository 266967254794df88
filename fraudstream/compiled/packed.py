"""Byte strings packed into one buffer, as compiled code reads and writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.memory import PADDING

UInt8Array = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]


class Packed(NamedTuple):
    """`n` byte strings. `buffer`: uint8, with `memory.PADDING` bytes after the last one. `at`, `length`: where each
    begins in it, and its bytes; int64, shape (n,)."""

    buffer: UInt8Array
    at: Int64Array
    length: Int64Array

    def strings(self) -> list[bytes]:
        """The byte strings as Python objects."""
        return [
            self.buffer[at : at + n].tobytes() for at, n in zip(self.at.tolist(), self.length.tolist(), strict=True)
        ]


def pack(strings: Iterable[bytes]) -> Packed:
    """Pack byte strings.

    >>> pack([b"two", b"", b"one"]).strings()
    [b'two', b'', b'one']
    """
    held = list(strings)
    length = np.fromiter(map(len, held), np.int64, len(held))
    at = np.cumsum(length) - length
    buffer = np.frombuffer(b"".join([*held, bytes(PADDING)]), np.uint8)
    return Packed(buffer, at, length)
