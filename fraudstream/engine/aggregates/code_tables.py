"""Texts of the standard code fields, found by their 32-bit codes.

Slots hold a 32-bit code of a text, not the text. The fields in `operands.CODE_FIELDS` have few possible texts, so one
table gives the text of a code: ISO 4217 currencies; the words of channel, direction and kind; every country of two
ASCII letters or digits, as states hold countries from times when the contract took any, and every merchant category of
four digits. Another text has a code too, but no entry here, and is then treated as missing.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple, get_args

import numpy as np

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.fields import Channel, Direction, Kind
from fraudstream.engine.arrays import Float64Array, UInt32Array, UInt64Array
from fraudstream.engine.digest import digest_column


class _Table(NamedTuple):
    """`code`: ascending, shape (n,). `digest`, `texts`: of the same texts, in that order."""

    code: UInt32Array
    digest: UInt64Array
    texts: list[str]


def codes_of(digests: UInt64Array) -> UInt32Array:
    """The 32-bit code of each text from its 64-bit digest: the lower half, but 0 only for a missing one. Same shape."""
    codes = np.where(digests == 0, 0, np.maximum(digests & np.uint64(0xFFFFFFFF), np.uint64(1)))
    return codes.astype(np.uint32)


def digests_of_codes(codes: Float64Array) -> UInt64Array:
    """The 64-bit digest of each code's text, as a TEXT column; 0 for NaN and for a code without a text. Shape (n,).

    >>> digests = digests_of_codes(codes_of(digest_column(["DE", "app", None])).astype(np.float64))
    >>> [text_of_digest(int(digest)) for digest in digests]
    ['DE', 'app', None]
    """
    table = _table()
    wanted = np.where(np.isnan(codes), 0.0, codes).astype(np.uint32)
    at = np.minimum(np.searchsorted(table.code, wanted), len(table.code) - 1)
    return np.where(table.code[at] == wanted, table.digest[at], np.uint64(0)).astype(np.uint64)


def text_of_code(code: float) -> str | None:
    """The text of a code; None for NaN and for a code without a text."""
    return text_of_digest(int(digests_of_codes(np.array([code]))[0]))


def text_of_digest(digest: int) -> str | None:
    """The text of a digest that `digests_of_codes` gave; None for 0."""
    return _texts_by_digest().get(digest)


def _standard_texts() -> Iterator[str]:
    """Every text of the table."""
    yield from EXPONENTS
    yield from (*get_args(Channel), *get_args(Direction), *get_args(Kind))
    yield from ("".join(pair) for pair in product(string.ascii_letters + string.digits, repeat=2))
    yield from (f"{number:04d}" for number in range(10_000))


@cache
def _table() -> _Table:
    """The table, made once. Asserts that no two texts share a code."""
    texts = list(_standard_texts())
    digests = digest_column(texts)
    codes = codes_of(digests)
    order = np.argsort(codes)
    assert (np.diff(codes[order]) > 0).all(), "two standard texts share a code"
    return _Table(codes[order], digests[order], [texts[i] for i in order.tolist()])


@cache
def _texts_by_digest() -> dict[int, str]:
    """The table's texts by digest."""
    return dict(zip(_table().digest.tolist(), _table().texts, strict=True))
