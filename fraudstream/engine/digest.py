"""64-bit digests of text, so that columns of identifiers are numbers.

A digest is keyed. Publishers, and with them their customers, choose identifiers: under a hash without a key somebody
can search for a `counterparty_id` with the digest of another, and share its history. Two texts have the same digest
with probability 2**-64 (2**-32 where only half of it is kept), and without the key nobody can choose two that do.
Entities and entries of lists are identified by their whole text, never by a digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from fraudstream.compiled.jit import entry_point
from fraudstream.engine.arrays import UInt8Array, UInt64Array
from fraudstream.engine.siphash import hash_between, hash_bytes, padded

MISSING = 0  # the digest of missing and of empty text

_SEPARATOR = "\0"
_LITERALS_MAX: Final = 1 << 14  # texts of rules whose digests are remembered


class DigestKey(NamedTuple):
    """The key of a deployment's digests: the halves of 16 bytes, little-endian. `identifier_key` makes it."""

    low: int
    high: int

    @property
    def fingerprint(self) -> str:
        """Identifies the key without revealing it: 16 hex digits, saved with a state."""
        return f"{hash_bytes(b'fingerprint of the digest key', self.low, self.high):016x}"


PUBLIC_KEY: Final = DigestKey(0x0706050403020100, 0x0F0E0D0C0B0A0908)  # for demonstration, files and tests: no secret


@lru_cache(_LITERALS_MAX)
def digest_text(text: str, key: DigestKey) -> int:
    """The digest of one text: SipHash-2-4 of its UTF-8 bytes. 0 for empty text only.

    >>> digest_text("app", PUBLIC_KEY) == int(digest_column(["web", "app", None], PUBLIC_KEY)[1])
    True
    """
    return hash_bytes(text.encode(), *key) or 1 if text else MISSING


def digest_column(texts: Sequence[str | None], key: DigestKey) -> UInt64Array:
    """The digest of each text: uint64, shape (n,); `MISSING` for None and for empty text."""
    if None in texts:
        texts = [text or "" for text in texts]
    joined = _SEPARATOR.join(texts)  # type: ignore[arg-type]
    if joined.count(_SEPARATOR) != max(len(texts) - 1, 0):  # a text contains the separator
        return np.array([digest_text(text or "", key) for text in texts], np.uint64)
    out = np.zeros(len(texts), np.uint64)
    if len(texts):
        encoded = joined.encode()
        _digest_joined(padded(encoded), len(encoded), np.uint64(key.low), np.uint64(key.high), out)
    return out


@entry_point
def _digest_joined(data: UInt8Array, length: int, low: np.uint64, high: np.uint64, out: UInt64Array) -> None:
    """Digests of texts joined by NUL bytes. `data`: their bytes, padded, uint8; `length`: without the padding. `low`,
    `high`: the key. `out`: output, uint64, shape (n,), zeros."""
    start, position = 0, 0
    for end in range(length + 1):
        if end < length and data[end] != 0:
            continue
        if end > start:
            value = hash_between(data, start, end, low, high)
            out[position] = value if value != np.uint64(0) else np.uint64(1)
        start, position = end + 1, position + 1
