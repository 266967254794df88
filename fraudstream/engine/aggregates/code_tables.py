"""Texts of the standard code fields, found by their 32-bit codes.

Slots hold a 32-bit code of a text, not the text. The fields in `operands.CODE_FIELDS` have few possible texts, so a
table, one for each digest key, gives the text of a code: ISO 4217 currencies; the words of channel, direction and kind;
every country of two ASCII letters or digits, as states hold countries from times when the contract took any, and every
merchant category of four digits. Another text has a code too, but no entry here, and is then treated as missing.
"""

from __future__ import annotations

import string
from functools import lru_cache
from itertools import product
from typing import NamedTuple, get_args

import numpy as np

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.fields import Channel, Direction, Kind
from fraudstream.engine.arrays import Float64Array, UInt32Array, UInt64Array
from fraudstream.engine.digest import DigestKey, digest_column

_KEYS_MAX = 4  # tables held; a process has one key, tests have more


class _Table(NamedTuple):
    """`code`: ascending, shape (n,). `digest`: of the same texts, in that order. `texts`: by digest."""

    code: UInt32Array
    digest: UInt64Array
    texts: dict[int, str]


def codes_of(digests: UInt64Array) -> UInt32Array:
    """The 32-bit code of each text from its 64-bit digest: the lower half, but 0 only for a missing one. Same shape."""
    codes = np.where(digests == 0, 0, np.maximum(digests & np.uint64(0xFFFFFFFF), np.uint64(1)))
    return codes.astype(np.uint32)


def digests_of_codes(codes: Float64Array, key: DigestKey) -> UInt64Array:
    """The 64-bit digest of each code's text, as a TEXT column; 0 for NaN and for a code without a text. Shape (n,).

    `key`: that of the digests which the codes were made from.

    >>> from fraudstream.engine.digest import PUBLIC_KEY
    >>> codes = codes_of(digest_column(["DE", "app", None], PUBLIC_KEY)).astype(np.float64)
    >>> [text_of_digest(int(digest), PUBLIC_KEY) for digest in digests_of_codes(codes, PUBLIC_KEY)]
    ['DE', 'app', None]
    """
    table = _table(key)
    wanted = np.where(np.isnan(codes), 0.0, codes).astype(np.uint32)
    at = np.minimum(np.searchsorted(table.code, wanted), len(table.code) - 1)
    return np.where(table.code[at] == wanted, table.digest[at], np.uint64(0)).astype(np.uint64)


def text_of_code(code: float, key: DigestKey) -> str | None:
    """The text of a code; None for NaN and for a code without a text."""
    return text_of_digest(int(digests_of_codes(np.array([code]), key)[0]), key)


def text_of_digest(digest: int, key: DigestKey) -> str | None:
    """The text of a digest that `digests_of_codes` gave; None for 0."""
    return _table(key).texts.get(digest)


def tells_codes_apart(key: DigestKey) -> bool:
    """Whether no two texts of the table share a code under this key: true of 39 keys in 40."""
    codes = codes_of(digest_column(_standard_texts(), key))
    return len(np.unique(codes)) == len(codes)


@lru_cache(1)
def _standard_texts() -> list[str]:
    """Every text of the table. Other texts may give another key to a secret (`identifier_key`), so to change them is to
    change the layout of the state."""
    words = (*get_args(Channel), *get_args(Direction), *get_args(Kind))
    pairs = ("".join(pair) for pair in product(string.ascii_letters + string.digits, repeat=2))
    return [*EXPONENTS, *words, *pairs, *(f"{number:04d}" for number in range(10_000))]


@lru_cache(_KEYS_MAX)
def _table(key: DigestKey) -> _Table:
    """The table of a key, made once. Asserts that no two texts share a code."""
    texts = _standard_texts()
    digests = digest_column(texts, key)
    codes = codes_of(digests)
    order = np.argsort(codes)
    assert (np.diff(codes[order]) > 0).all(), "two standard texts share a code: not a key of `identifier_key`"
    return _Table(codes[order], digests[order], dict(zip(digests.tolist(), texts, strict=True)))
