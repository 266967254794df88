"""Cuts CSV text into blocks of whole records, so that no quoted line break and no long cell is cut.

A quote opens a quoted cell only where a cell begins, as in RFC 4180; elsewhere it is a character like others. Blocks of
records with quotes are scanned as arrays; only a block with a quote in the middle of a cell is walked in Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RECORD_BYTES_MAX = 64 << 20
Int64Array = npt.NDArray[np.int64]

_LF, _CR = b"\n\r"
_IN_THE_MAPPING = "in the mapping's section `file`"
_BLANKS_BEFORE = (
    "has blanks between a separator and an opening quote. Remove them, or set `quote: none` "
    f"{_IN_THE_MAPPING} if quotes are ordinary characters."
)
_TEXT_AFTER = (
    "has a quoted cell with text after its closing quote. Double the quotes within cells; or set `escape` "
    f"{_IN_THE_MAPPING} if a character such as \\ precedes them, or `quote: none` if quotes are "
    "ordinary characters."
)


class Dialect(NamedTuple):
    """How a record is written. `separator`, `quote`, `escape`: one ASCII character; the last two are empty if there is
    none."""

    separator: bytes
    quote: bytes
    escape: bytes = b""


class RecordError(ValueError):
    """A record whose end is unclear: for a quote where none can be, or none within bounds. Every record before it has
    been given."""


class RecordEnds(NamedTuple):
    """Where the records of a text end. `ends`: index after the line end of each non-blank record, ascending; int64.

    `open_quote`: index of a quote that is not closed; None if there is none. `misplaced`: what is wrong with the first
    quote that makes its record unclear, as a sentence; no record from there on is in `ends`.
    """

    ends: Int64Array
    open_quote: int | None
    misplaced: str | None = None


def record_blocks(pieces: Iterable[bytes], dialect: Dialect, trailer_rows: int = 0) -> Iterator[bytes]:
    """The text in blocks of whole records, without the last `trailer_rows` records and empty records at the end.

    Memory is bounded by the longest record. Raises `RecordError`, and what `pieces` raises after all whole
    records before it.
    """
    rest, target = b"", 0
    pieces = iter(pieces)
    failure: Exception | None = None
    while True:
        try:
            piece = next(pieces, None)
        except ValueError as error:
            piece, failure = None, error
        rest += piece or b""
        if piece is not None and len(rest) < target:
            continue
        if piece is None and failure is None and rest and rest[-1] not in (_LF, _CR):
            rest += b"\n"
        found = record_ends(rest, dialect)
        ended = failure is not None or found.misplaced is not None or (piece is None and found.open_quote is not None)
        cut = _last_end(rest, found.ends, dialect, 0 if ended else trailer_rows)
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
        target = 2 * len(rest)  # a long record is scanned again only when it has doubled
        if failure is not None:
            raise failure
        _check_rest(found, len(rest), at_end=piece is None)
        if piece is None:
            return


def _check_rest(found: RecordEnds, rest_bytes: int, at_end: bool) -> None:
    """Raises `RecordError` if the record that begins the rest of the text is faulty, or too long."""
    if found.misplaced is not None:
        raise RecordError(found.misplaced)
    too_long = rest_bytes > RECORD_BYTES_MAX
    if found.open_quote is not None and (too_long or at_end):
        within = f" within {RECORD_BYTES_MAX >> 20} MiB" if too_long else ""
        raise RecordError(
            f"has a quoted cell that does not end{within}. Close the quote, or set `quote: none` "
            f"{_IN_THE_MAPPING} if quotes are ordinary characters."
        )
    if too_long and not len(found.ends):
        raise RecordError(f"does not end within {RECORD_BYTES_MAX >> 20} MiB: is it text with line ends?")


def record_ends(text: bytes, dialect: Dialect) -> RecordEnds:
    """Where the records of a text that begins with a record end; blank lines are no records.

    >>> record_ends(b'1,2\\r\\n\\n3,"a\\nb"\\n4', Dialect(b",", b'"')).ends.tolist()
    [4, 14]
    """
    codes = np.frombuffer(text, np.uint8)
    breaks = np.flatnonzero((codes == _LF) | (codes == _CR)).astype(np.int64)
    open_quote = misplaced = None
    if dialect.escape and dialect.escape in text:
        breaks, open_quote, misplaced = _walked(text, dialect)
    elif dialect.quote and dialect.quote in text:
        quotes = np.flatnonzero(codes == dialect.quote[0])
        if _only_at_edges(codes, quotes, dialect):
            breaks = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
            open_quote = int(quotes[-1]) if len(quotes) % 2 else None
        else:
            breaks, open_quote, misplaced = _walked(text, dialect)
    ends = breaks + 1
    return RecordEnds(ends[np.diff(ends, prepend=0) > 1], open_quote, misplaced)


def _only_at_edges(codes: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], dialect: Dialect) -> bool:
    """Whether every quote that opens is where a cell begins and every one that closes where it ends, or doubled."""
    edge = np.zeros(256, np.bool_)
    edge[[_LF, _CR, dialect.separator[0], dialect.quote[0]]] = True
    before, after = quotes[0::2] - 1, quotes[1::2] + 1
    before, after = before[before >= 0], after[after < len(codes)]
    return bool(edge[codes[before]].all() and edge[codes[after]].all())


def _walked(text: bytes, dialect: Dialect) -> tuple[Int64Array, int | None, str | None]:
    """Line breaks outside quoted cells, the quote that is not closed, and the fault of a quote, as `RecordEnds` has
    them; for texts with quotes within cells, or escapes."""
    cell_begins = (None, _LF, _CR, dialect.separator[0])
    token = re.compile(b"[\r\n" + b"".join(map(re.escape, (dialect.quote, dialect.escape))) + b"]")
    breaks: list[int] = []
    opened: int | None = None
    at = 0
    while (match := token.search(text, at)) is not None:
        begin, found = match.start(), match[0]
        at = begin + 1
        if found == dialect.escape:
            at = begin + 2  # the next character belongs to the cell, whatever it is
        elif found != dialect.quote:
            if opened is None:
                breaks.append(begin)
        elif opened is None:
            before = text[begin - 1] if begin else None
            if before in cell_begins:
                opened = begin
            elif _after_blanks(text, begin, cell_begins):
                return np.array(breaks, np.int64), None, _BLANKS_BEFORE
        elif text[at : at + 1] == dialect.quote:
            at += 1  # doubled: a quote within the cell
        else:
            opened = None
            if at < len(text) and text[at] not in cell_begins:
                return np.array(breaks, np.int64), None, _TEXT_AFTER
    return np.array(breaks, np.int64), opened, None


def _after_blanks(text: bytes, at: int, cell_begins: tuple[int | None, ...]) -> bool:
    """Whether only blanks are between the beginning of the cell and `at`."""
    before = at - 1
    while before >= 0 and text[before] in b" \t" and text[before] not in cell_begins:
        before -= 1
    return before < at - 1 and (text[before] if before >= 0 else None) in cell_begins


def _last_end(text: bytes, ends: Int64Array, dialect: Dialect, trailer_rows: int) -> int:
    """Index after the last record to give, 0 if there is none: empty records may be the file's end, so they wait."""
    content = len(text.rstrip(b" \t\r\n" + dialect.separator))
    count = int(np.searchsorted(ends, content, side="right"))
    if count < len(ends) and content > (int(ends[count - 1]) if count else 0):
        count += 1  # the record whose content ends there
    return int(ends[count - 1 - trailer_rows]) if count > trailer_rows else 0
