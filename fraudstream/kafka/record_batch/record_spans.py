"""The records of batches to spans: where each record's key, value and headers lie.

A record, without the length before it: attributes, timestamp delta, offset delta, then the key, the value and the
headers, each with its length or count before it. Every number is a varint, as `varint` describes.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.spans import (
    HEADERS_AT,
    HEADERS_COUNT,
    KEY_AT,
    KEY_LENGTH,
    MISSING,
    OFFSET,
    TIMESTAMP_MS,
    VALUE_AT,
    VALUE_LENGTH,
)
from fraudstream.kafka.record_batch.batch_header import (
    ATTRIBUTES,
    BASE_OFFSET,
    BODY,
    COUNT,
    END,
    FIRST_MS,
    LAST_DELTA,
    LOG_APPEND_TIME,
    MAX_MS,
    RECORD_BYTES_MIN,
    SKIPPED,
)
from fraudstream.kafka.record_batch.varint import MALFORMED, read_varint

_LENGTH_MIN = RECORD_BYTES_MIN - 1  # a shorter one has no row in the spans

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Int64s: TypeAlias = npt.NDArray[np.int64]


@entry_point
def read_records(data: _Bytes, batches: _Int64s, count: int, begin: int, columns: _Int64s) -> tuple[int, int, int]:
    """Read the records of the first `count` batches that are not skipped.

    `data`: uint8, with `PADDING` bytes after the last batch. `batches`: as `read_headers` fills it; the records between
    `BODY` and `END` are not compressed. `columns`: the spans, int64, shape (8, n), with n no less than the records that
    the batches' sizes allow. A record before the offset `begin`, or not after the record before it, is left out.

    Returns how many records were read, the offset after them, and how many batches: fewer than `count` if the next one
    is corrupt. Nothing outside the batches is read, whatever they hold, but up to `PADDING` bytes after their end.
    """
    rows, next_offset = 0, begin
    for k in range(count):
        batch = batches[k]
        if not batch[SKIPPED]:
            read, after = _read_batch(data, batch, next_offset, columns, rows)
            if read == MALFORMED:
                return rows, next_offset, k
            rows, next_offset = read, after
        next_offset = max(begin, batch[BASE_OFFSET] + batch[LAST_DELTA] + 1)
    return rows, next_offset, count


@jit
def _read_batch(data: _Bytes, batch: _Int64s, next_offset: int, columns: _Int64s, rows: int) -> tuple[int, int]:
    """Read the records of a batch into `columns` from index `rows` on. Returns the index after them, `MALFORMED` if the
    batch is corrupt, and the offset after the last."""
    at, end = batch[BODY], batch[END]
    for _ in range(batch[COUNT]):
        if at >= end:
            return MALFORMED, next_offset
        length, at = read_varint(data, at)
        if at == MALFORMED or length < _LENGTH_MIN or length > end - at:
            return MALFORMED, next_offset
        stop = at + length
        at = _read_record(data, at, stop, batch, columns, rows)
        if at != stop:
            return MALFORMED, next_offset
        if columns[OFFSET, rows] >= next_offset:
            next_offset = columns[OFFSET, rows] + 1
            rows += 1
    return (rows if at == end else MALFORMED), next_offset


@jit
def _read_record(data: _Bytes, at: int, stop: int, batch: _Int64s, columns: _Int64s, row: int) -> int:
    """Read the record from `at` to `stop` into `columns`. Returns the index after it, not `stop` if it is corrupt."""
    _, at = read_varint(data, at)  # the attributes: all unused
    if at == MALFORMED:
        return MALFORMED
    delta_ms, at = read_varint(data, at)
    if at == MALFORMED:
        return MALFORMED
    delta, at = read_varint(data, at)
    if at == MALFORMED:
        return MALFORMED
    columns[OFFSET, row] = batch[BASE_OFFSET] + delta
    columns[TIMESTAMP_MS, row] = batch[MAX_MS] if batch[ATTRIBUTES] & LOG_APPEND_TIME else batch[FIRST_MS] + delta_ms
    at, columns[KEY_AT, row], columns[KEY_LENGTH, row] = _read_part(data, at, stop)
    if at == MALFORMED:
        return MALFORMED
    at, columns[VALUE_AT, row], columns[VALUE_LENGTH, row] = _read_part(data, at, stop)
    if at == MALFORMED:
        return MALFORMED
    headers, at = read_varint(data, at)
    if at == MALFORMED or headers < 0:
        return MALFORMED
    columns[HEADERS_AT, row], columns[HEADERS_COUNT, row] = at, headers
    for _ in range(headers):
        at, _, length = _read_part(data, at, stop)
        if at == MALFORMED or length == MISSING:  # the name
            return MALFORMED
        at, _, _ = _read_part(data, at, stop)
        if at == MALFORMED:
            return MALFORMED
    return at


@jit
def _read_part(data: _Bytes, at: int, stop: int) -> tuple[int, int, int]:
    """Read the length of a part and pass over it. Returns the index after it, its first byte and its length.

    The index is `MALFORMED` if the part goes beyond `stop`.
    """
    length, begin = read_varint(data, at)
    if begin == MALFORMED or begin > stop or length > stop - begin:
        return MALFORMED, 0, 0
    if length < 0:
        return begin, begin, MISSING
    return begin + length, begin, length
