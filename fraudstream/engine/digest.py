"""64-bit digests of text, so that columns of identifiers are numbers. They are equal on all machines and processes.

Two different texts have the same digest with probability 2**-64 (2**-32 where only half of it is kept). Entities are
identified by their whole keys, never by a digest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fraudstream.engine.arrays import UInt8Array, UInt64Array
from fraudstream.engine.jit import jit

MISSING = 0  # the digest of missing and of empty text

_SEPARATOR = "\0"
_MASK = (1 << 64) - 1
_OFFSET, _PRIME = 0xCBF29CE484222325, 0x100000001B3
_MIX_1, _MIX_2 = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53


def digest_text(text: str) -> int:
    """The digest of one text: FNV-1a over its UTF-8 bytes, then MurmurHash3's finaliser. 0 for empty text only.

    Sources: Fowler, Noll, Vo, RFC 9923 (FNV-1a, 64 bits); Appleby, MurmurHash3 (`fmix64`), public domain.

    >>> bool(digest_text("app") == digest_column(["web", "app", None])[1]), digest_text("")
    (True, 0)
    """
    data = text.encode()
    if not data:
        return MISSING
    value = _OFFSET
    for byte in data:
        value = ((value ^ byte) * _PRIME) & _MASK
    value = ((value ^ (value >> 33)) * _MIX_1) & _MASK
    value = ((value ^ (value >> 33)) * _MIX_2) & _MASK
    value ^= value >> 33
    return value or 1


def digest_column(texts: Sequence[str | None]) -> UInt64Array:
    """The digest of each text: uint64, shape (n,); `MISSING` for None and for empty text."""
    if None in texts:
        texts = [text or "" for text in texts]
    joined = _SEPARATOR.join(texts)  # type: ignore[arg-type]
    data = np.frombuffer(joined.encode(), np.uint8)
    if joined.count(_SEPARATOR) != max(len(texts) - 1, 0):  # a text contains the separator
        return np.array([digest_text(text or "") for text in texts], np.uint64)
    out = np.zeros(len(texts), np.uint64)
    if len(texts):
        _digest_joined(data, out)
    return out


@jit
def _digest_joined(data: UInt8Array, out: UInt64Array) -> None:
    """Digests of texts joined by NUL bytes. `data`: their bytes, uint8. `out`: output, uint64, shape (n,), zeros."""
    offset, prime = np.uint64(_OFFSET), np.uint64(_PRIME)
    mix_1, mix_2, shift = np.uint64(_MIX_1), np.uint64(_MIX_2), np.uint64(33)
    value, empty, position = offset, True, 0
    for i in range(len(data) + 1):
        if i < len(data) and data[i] != 0:
            value = (value ^ np.uint64(data[i])) * prime
            empty = False
            continue
        if not empty:
            value = (value ^ (value >> shift)) * mix_1
            value = (value ^ (value >> shift)) * mix_2
            value = value ^ (value >> shift)
            out[position] = value if value != np.uint64(0) else np.uint64(1)
        value, empty, position = offset, True, position + 1
