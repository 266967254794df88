"""All records of a batch, each either to its column of the frame or flagged. Compiled; `Scanner` calls it."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.memory import PADDING, load_word
from fraudstream.engine.arrays import Int64Array, UInt8Array
from fraudstream.engine.frame import Frame
from fraudstream.engine.records import Spans
from fraudstream.engine.scan.fields import AT, INDEX, LENGTH, RECORD, Fields, read_fields
from fraudstream.engine.scan.money import NOT_MONEY, minor_units
from fraudstream.engine.scan.rows import write_rows
from fraudstream.engine.scan.table_types import SIGNED_MONEY, TEXT_FORM, Tables
from fraudstream.engine.scan.tokens import CLOSE, OPEN, after_space, byte_at, is_space

_NO_RECORD = -1


@entry_point
def scan_records(
    buffer: UInt8Array,
    spans: Spans,
    too_far_ahead_ms: int,
    keyed: bool,
    tables: Tables,
    follows: Int64Array,
    fields: Fields,
    frame: Frame,
    flagged: UInt8Array,
) -> int:
    """Write each plain record to its column of the frame and 0 to `flagged`; else 1. Returns how many are flagged.

    `buffer`: uint8, with `PADDING` bytes after the last span. `keyed`: as of `Scanner`. `follows`: as of
    `fields`, changed. `fields`: scratch. `flagged`: output, uint8, shape (n,). Raises `ValueError` where a span lies
    outside the buffer or an array is of another size.
    """
    n = len(flagged)
    _check_sizes(n, spans, tables, follows, fields, frame)
    for field in range(len(fields.place)):
        fields.place[field, RECORD] = _NO_RECORD
    count, end = 0, len(buffer) - PADDING
    for i in range(n):
        if not _is_inside(spans.key_at[i], spans.key_length[i], end):
            raise ValueError("a key lies outside the buffer of its records")
        if not _is_inside(spans.value_at[i], spans.value_length[i], end):
            raise ValueError("a value lies outside the buffer of its records")
        plain = spans.value_length[i] <= tables.limits.value_bytes_max
        plain = plain and _read_record(buffer, spans, i, too_far_ahead_ms, keyed, tables, follows, fields)
        if plain:
            write_rows(buffer, i, tables, fields, frame)
        flagged[i] = 0 if plain else 1
        count += not plain
    return count


@jit
def _check_sizes(n: int, spans: Spans, tables: Tables, follows: Int64Array, fields: Fields, frame: Frame) -> None:
    """Raise `ValueError` if the arrays are not those of `n` records and of this scanner."""
    columns = len(spans.timestamp_ms) == len(spans.key_at) == len(spans.key_length) == len(spans.value_at) == n
    if not columns or len(spans.value_length) != n:
        raise ValueError("the parts of the records are not as many as the flags")
    per_payment = len(frame.occurred_at_ms) == len(frame.amount_minor) == len(frame.currency) == n
    per_payment = per_payment and len(frame.minor_per_major) == len(frame.relation) == len(frame.original) == n
    if not per_payment or frame.number.shape[1] != n or frame.digest.shape[1] != n:
        raise ValueError("the frame has another number of payments than there are records")
    if frame.text_at.shape != frame.text_length.shape or frame.text_at.shape[1] != n:
        raise ValueError("the frame has another number of payments than there are records")
    rows = tables.rows
    if _last(rows.number) >= len(frame.number) or max(rows.hour, rows.weekday) >= len(frame.number):
        raise ValueError("the frame has too few rows of numbers for this scanner")
    if _last(rows.digest) >= len(frame.digest) or _last(rows.span) >= len(frame.text_at):
        raise ValueError("the frame has too few rows of texts for this scanner")
    known = tables.undeclared + 1
    if len(follows) <= known or len(fields.place) != known or len(fields.value) != known:
        raise ValueError("the scratch arrays are not those of this scanner")


@jit
def _is_inside(at: int, length: int, end: int) -> bool:
    """Whether a span ends at `end` at the latest. `length`: -1 if it is missing."""
    return at >= 0 and length >= -1 and length <= end - at  # no sum, which may overflow


@jit
def _last(rows: Int64Array) -> int:
    """The greatest row of a frame in a table of `Rows`, which is in ascending order; -1 if it is empty."""
    return rows[len(rows) - 1, 0] if len(rows) else -1


@jit
def _read_record(
    buffer: UInt8Array,
    spans: Spans,
    i: int,
    too_far_ahead_ms: int,
    keyed: bool,
    tables: Tables,
    follows: Int64Array,
    fields: Fields,
) -> bool:
    """Read record `i` into `fields`, amounts in minor units. Returns whether it is plain and valid."""
    end = spans.value_at[i] + max(spans.value_length[i], 0)
    at = after_space(buffer, spans.value_at[i], end)
    while end > at and is_space(byte_at(buffer, end - 1)):
        end -= 1
    if end - at < 2 or byte_at(buffer, at) != OPEN or byte_at(buffer, end - 1) != CLOSE:
        return False
    if not read_fields(buffer, at, end, i, tables, follows, fields):
        return False
    published_at_ms = spans.timestamp_ms[i]
    if published_at_ms >= tables.limits.occurred_at_end_ms:  # the sum with too_far_ahead_ms may overflow
        return False
    if np.int64(fields.value[tables.occurred_at]) > published_at_ms + too_far_ahead_ms:
        return False
    if keyed and not _is_keyed(buffer, spans.key_at[i], spans.key_length[i], fields, tables.account_id):
        return False
    exponent = tables.exponent[fields.place[tables.currency_field, INDEX]]
    for k in range(len(tables.money)):
        field = tables.money[k]
        start, length = fields.place[field, AT], fields.place[field, LENGTH]
        if fields.place[field, RECORD] == i and length > 0:
            signed = tables.rules.rule[field, TEXT_FORM] == SIGNED_MONEY
            minor = minor_units(buffer, start, start + length, exponent, signed)
            if minor == NOT_MONEY:
                return False
            fields.value[field] = float(minor)
    return True


@jit
def _is_keyed(buffer: UInt8Array, key_at: int, key_length: int, fields: Fields, account_id: int) -> bool:
    """Whether a record's key is the text of its field `account_id`."""
    at, length = fields.place[account_id, AT], fields.place[account_id, LENGTH]
    if key_length != length:
        return False
    for k in range(0, length - 7, 8):
        if load_word(buffer, at + k) != load_word(buffer, key_at + k):
            return False
    rest, done = length & 7, length & ~7
    differing: np.uint64 = load_word(buffer, at + done) ^ load_word(buffer, key_at + done)
    return bool(differing & ((np.uint64(1) << np.uint64(8 * rest)) - np.uint64(1)) == np.uint64(0))
