"""Reads record headers from bytes: what each record is, and where the previous stage's headers lie. Compiled."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.memory import PADDING, load_word
from fraudstream.contracts.headers import (
    BACKFILLED_HEADER,
    CONTROL_HEADER,
    FEATURES_HEADER,
    LABEL_HEADER,
    REPARTITIONED_HEADER,
    REPLY_TOPIC_HEADER,
    SOURCE_HEADER,
    TYPE_HEADER,
)
from fraudstream.engine.arrays import BoolArray, Int64Array, UInt8Array
from fraudstream.tracing.header_names import TRACEPARENT_CHARACTERS, TRACEPARENT_HEADER

# Bits of `RecordHeaders.kind`. COPY: the record is a copy from another partition of its log. REPLY: its publisher waits
# for the answer on a topic of its own. TRACED: its header `traceparent` has the flag `sampled`; whether the rest of it
# is valid is not looked at here.
LABEL, CONTROL, BACKFILLED, COPY, REPLY, TRACED = 1, 2, 4, 8, 16, 32
MISSING: Final = -1

_PARTITION, _OFFSET = np.int64(1 << 31), np.int64(1 << 62)  # the numbers in a source are less than these


class RecordHeaders(NamedTuple):
    """The headers of `n` records; arrays have shape (n,). Of several headers of one name the last counts.

    `kind`: bits, see above; uint8. `source_at`, `source_length`: the bytes of the value of the header `source` in the
    records' buffer, and `features_at`, `features_length` those of `features`; int64, the length `MISSING` without such
    a header. `partition`, `offset`: the numbers in `source`; int64, `MISSING` where it is not two plain numbers, as the
    previous stage writes them.
    """

    kind: UInt8Array
    source_at: Int64Array
    source_length: Int64Array
    features_at: Int64Array
    features_length: Int64Array
    partition: Int64Array
    offset: Int64Array

    def are(self, kind: int) -> BoolArray:
        """Which of the records are of a kind, one of the bits: bool, shape (n,)."""
        found: BoolArray = (self.kind & kind) != 0
        return found


def _constant(text: bytes) -> tuple[np.uint64, np.uint64, int]:
    """At most 16 bytes as two words, little-endian, and their number."""
    assert len(text) <= 16, text
    return (
        np.uint64(int.from_bytes(text[:8], "little")),
        np.uint64(int.from_bytes(text[8:], "little")),
        len(text),
    )


_TYPE, _LABEL, _CONTROL = _constant(TYPE_HEADER.encode()), _constant(LABEL_HEADER[1]), _constant(CONTROL_HEADER[1])
_BACKFILLED, _COPY = _constant(BACKFILLED_HEADER[0].encode()), _constant(REPARTITIONED_HEADER.encode())
_SOURCE, _FEATURES = _constant(SOURCE_HEADER.encode()), _constant(FEATURES_HEADER.encode())
_REPLY = _constant(REPLY_TOPIC_HEADER.encode())
_TRACEPARENT = _constant(TRACEPARENT_HEADER.encode())


@entry_point
def read_headers(buffer: UInt8Array, headers_at: Int64Array, headers_count: Int64Array, headers: RecordHeaders) -> None:
    """Fill `headers`. `buffer`: uint8, padded; `headers_at`, `headers_count`: as of `records.Spans`."""
    n, end = len(headers_at), len(buffer) - PADDING
    assert len(headers_count) == n, "sizes differ"
    for column in headers[1:]:
        assert len(column) == n, "sizes differ"
    assert len(headers.kind) == n, "sizes differ"
    for i in range(n):
        kind, at = 0, headers_at[i]
        headers.source_length[i] = headers.features_length[i] = MISSING
        headers.source_at[i] = headers.features_at[i] = 0
        for _ in range(headers_count[i]):
            size, name = _varint(buffer, at)
            assert 0 <= size <= end - name, "a header lies outside its buffer"
            length, value = _varint(buffer, name + size)
            length = max(length, 0)
            at = value + length
            assert at <= end, "a header lies outside its buffer"
            if _is(buffer, name, size, _SOURCE):
                headers.source_at[i], headers.source_length[i] = value, length
            elif _is(buffer, name, size, _FEATURES):
                headers.features_at[i], headers.features_length[i] = value, length
            elif _is(buffer, name, size, _TYPE):
                kind |= LABEL if _is(buffer, value, length, _LABEL) else 0
                kind |= CONTROL if _is(buffer, value, length, _CONTROL) else 0
            elif _is(buffer, name, size, _BACKFILLED):
                kind |= BACKFILLED if length == 0 else 0
            elif _is(buffer, name, size, _COPY):
                kind |= COPY
            elif _is(buffer, name, size, _REPLY):
                kind |= REPLY
            elif _is(buffer, name, size, _TRACEPARENT):
                kind = kind | TRACED if _is_sampled(buffer, value, length) else kind & ~TRACED
        headers.kind[i] = kind
        headers.partition[i], headers.offset[i] = _numbers(buffer, headers.source_at[i], headers.source_length[i])


@jit
def _is(buffer: UInt8Array, at: int, length: int, constant: tuple[np.uint64, np.uint64, int]) -> bool:
    """Whether the bytes are those of a constant."""
    low, high, size = constant
    if length != size:
        return False
    if size <= 8:
        return bool(load_word(buffer, at) & _mask(size) == low)
    return bool(load_word(buffer, at) == low and load_word(buffer, at + 8) & _mask(size - 8) == high)


@jit
def _is_sampled(buffer: UInt8Array, at: int, length: int) -> bool:
    """Whether the last digit of the flags in a `traceparent`, hexadecimal and in lower case, is odd."""
    if length < TRACEPARENT_CHARACTERS:
        return False
    digit = np.int64(buffer[at + TRACEPARENT_CHARACTERS - 1])
    return bool((digit ^ (digit >> 6)) & 1)  # the code of 0 is even, that of a is odd


@jit
def _mask(size: int) -> np.uint64:
    """The first `size` bytes of a word."""
    return ~np.uint64(0) >> np.uint64(8 * (8 - size)) if size > 0 else np.uint64(0)


@jit
def _varint(buffer: UInt8Array, at: int) -> tuple[int, int]:
    """The zigzag-encoded number at `at`, of at most five bytes, and where it ends."""
    value, shift = np.int64(0), 0
    while shift < 35:
        assert 0 <= at < len(buffer), "a header lies outside its buffer"
        byte = np.int64(buffer[at])
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return (value >> 1) ^ -(value & 1), at  # type: ignore[return-value]  # an int64, as every number here


@jit
def _numbers(buffer: UInt8Array, at: int, length: int) -> tuple[np.int64, np.int64]:
    """Partition and offset in `partition:offset`; `MISSING` twice where they are no plain decimal numbers."""
    colon = at
    while colon < at + length and buffer[colon] != 0x3A:
        colon += 1
    partition = _number(buffer, at, colon, _PARTITION)
    offset = _number(buffer, colon + 1, at + length, _OFFSET)
    if partition < 0 or offset < 0:
        return np.int64(MISSING), np.int64(MISSING)
    return partition, offset


@jit
def _number(buffer: UInt8Array, at: int, end: int, limit: np.int64) -> np.int64:
    """A decimal number below `limit`, without a leading zero; `MISSING` for anything else."""
    if at >= end or end - at > 19 or (buffer[at] == 0x30 and end - at > 1):
        return np.int64(MISSING)
    value = np.int64(0)
    for k in range(at, end):
        digit = np.int64(buffer[k]) - 0x30
        if digit < 0 or digit > 9 or value > limit // 10:
            return np.int64(MISSING)
        value = value * 10 + digit
    return value if value < limit else np.int64(MISSING)
