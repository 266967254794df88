"""Records of a partition's log as spans of one buffer: no Python object stands for a record until one is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, overload

import numpy as np

from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.spans import MISSING as MISSING
from fraudstream.compiled.spans import Spans as Spans
from fraudstream.contracts.log_record import LogRecord
from fraudstream.engine.arrays import Int64Array, UInt8Array

if TYPE_CHECKING:
    from fraudstream.engine.header_fields import RecordHeaders


class Record(NamedTuple):
    """One record as an object; a `LogRecord`."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Records(Sequence[Record]):
    """The records of a batch. `buffer`: uint8, with `memory.PADDING` bytes after the last span.

    The value of a header that has none reads as an empty one, a byte of its name that is no UTF-8 as U+FFFD.
    """

    def __init__(self, buffer: UInt8Array, spans: Spans) -> None:
        self.buffer, self.spans = buffer, spans
        self.headers_read: RecordHeaders | None = None  # what `record_headers.headers_of` keeps

    def __len__(self) -> int:
        return len(self.spans.offset)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...

    def __getitem__(self, index: int | slice) -> Record | Records:
        """A record, decoded now; or a part of the records, which shares their buffer."""
        if isinstance(index, slice):
            return Records(self.buffer, Spans(*(column[index] for column in self.spans)))
        return _record(self.buffer.data, *(int(column[index]) for column in self.spans))

    def __iter__(self) -> Iterator[Record]:
        return map(partial(_record, self.buffer.data), *(column.tolist() for column in self.spans))

    def headers(self, rows: Int64Array) -> list[tuple[tuple[str, bytes], ...]]:
        """The headers of some records, without keys and values. `rows`: indices; int64, shape (m,)."""
        at, count = self.spans.headers_at[rows].tolist(), self.spans.headers_count[rows].tolist()
        return [_headers(self.buffer.data, begin, n) for begin, n in zip(at, count, strict=True)]

    @property
    def first_offset(self) -> int:
        """Offset of the first record. Raises `IndexError` if there is none."""
        return int(self.spans.offset[0])

    @property
    def last_offset(self) -> int:
        """Offset of the last record. Raises `IndexError` if there is none."""
        return int(self.spans.offset[-1])

    def since(self, offset: int) -> Records:
        """The records at `offset` and after it: all, or a part that shares their buffer."""
        begin = int(np.searchsorted(self.spans.offset, offset))
        return self[begin:] if begin else self


def _record(
    data: memoryview,
    offset: int,
    timestamp_ms: int,
    key_at: int,
    key_length: int,
    value_at: int,
    value_length: int,
    headers_at: int,
    headers_count: int,
) -> Record:
    """The record whose spans these are."""
    return Record(
        offset,
        timestamp_ms,
        None if key_length == MISSING else data[key_at : key_at + key_length].tobytes(),
        None if value_length == MISSING else data[value_at : value_at + value_length].tobytes(),
        _headers(data, headers_at, headers_count) if headers_count else (),
    )


def _headers(data: memoryview, at: int, count: int) -> tuple[tuple[str, bytes], ...]:
    found = []
    for _ in range(count):
        size, at = _varint(data, at)
        name = str(data[at : at + size], "utf-8", "replace")
        size, at = _varint(data, at + size)
        end = at + max(size, 0)
        found.append((name, data[at:end].tobytes()))
        at = end
    return tuple(found)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The zigzag-encoded number at `at`, and where it ends."""
    if (byte := data[at]) < 0x80:  # as most are
        return (byte >> 1) ^ -(byte & 1), at + 1
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7


def joined(first: Records, second: Records) -> Records:
    """The records of both, in one buffer."""
    shift = len(first.buffer)
    columns = dict(zip(Spans._fields, map(np.concatenate, zip(first.spans, second.spans, strict=True)), strict=True))
    for name in ("key_at", "value_at", "headers_at"):
        columns[name][len(first) :] += shift
    return Records(np.concatenate((first.buffer, second.buffer)), Spans(**columns))


def records_of(records: Sequence[LogRecord]) -> Records:
    """Pack record objects, so that they are read as fetched ones are."""
    if isinstance(records, Records):
        return records
    n = len(records)
    parts: list[bytes] = []
    spans = Spans(*(np.zeros(n, np.int64) for _ in Spans._fields))
    end = 0
    for i, record in enumerate(records):
        spans.offset[i], spans.timestamp_ms[i] = record.offset, record.timestamp
        for part, at, length in (
            (record.key, spans.key_at, spans.key_length),
            (record.value, spans.value_at, spans.value_length),
        ):
            at[i], length[i] = end, MISSING if part is None else len(part)
            if part:
                parts.append(part)
                end += len(part)
        headers = b"".join(_encoded(name, value) for name, value in record.headers)
        spans.headers_at[i], spans.headers_count[i] = end, len(record.headers)
        parts.append(headers)
        end += len(headers)
    return Records(np.frombuffer(b"".join([*parts, bytes(PADDING)]), np.uint8), spans)


def _encoded(name: str, value: bytes | None) -> bytes:
    """One header in Kafka's record format."""
    text = name.encode()
    return _zigzag(len(text)) + text + (_zigzag(MISSING) if value is None else _zigzag(len(value)) + value)


def _zigzag(value: int) -> bytes:
    """A number from `MISSING` on, as Kafka's varint."""
    rest, out = (value << 1) ^ (value >> 63), bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


NO_RECORDS: Final = records_of(())
