"""Records of a partition's log as spans of one buffer: no Python object stands for a record until one is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, overload

import numpy as np

from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.spans import MISSING as MISSING
from fraudstream.compiled.spans import Spans as Spans
from fraudstream.engine.arrays import UInt8Array


class LogRecord(Protocol):
    """A record as an object, such as aiokafka's `ConsumerRecord`."""

    @property
    def offset(self) -> int:
        """Its position in the partition."""

    @property
    def timestamp(self) -> int:
        """When it was published, ms since the epoch."""

    @property
    def key(self) -> bytes | None:
        """The record key."""

    @property
    def value(self) -> bytes | None:
        """The record value."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values, see `contracts.headers`."""


class Record(NamedTuple):
    """One record as an object; a `LogRecord`."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Records(Sequence[Record]):
    """The records of a batch. `buffer`: uint8, with `memory.PADDING` bytes after the last span."""

    def __init__(self, buffer: UInt8Array, spans: Spans) -> None:
        self.buffer, self.spans = buffer, spans

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
        spans = self.spans
        return Record(
            int(spans.offset[index]),
            int(spans.timestamp_ms[index]),
            self._bytes(spans.key_at[index], spans.key_length[index]),
            self._bytes(spans.value_at[index], spans.value_length[index]),
            self._headers(int(spans.headers_at[index]), int(spans.headers_count[index])),
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[index] for index in range(len(self)))

    def _bytes(self, at: np.int64, length: np.int64) -> bytes | None:
        return None if length == MISSING else self.buffer[at : at + length].tobytes()

    def _headers(self, at: int, count: int) -> tuple[tuple[str, bytes], ...]:
        found = []
        for _ in range(count):
            size, at = self._varint(at)
            name = self.buffer[at : at + size].tobytes().decode(errors="replace")
            size, at = self._varint(at + size)
            found.append((name, self.buffer[at : at + max(size, 0)].tobytes()))
            at += max(size, 0)
        return tuple(found)

    def _varint(self, at: int) -> tuple[int, int]:
        """The zigzag-encoded number at `at`, and where it ends."""
        value = shift = 0
        while True:
            byte = int(self.buffer[at])
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1), at
            shift += 7


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


def _encoded(name: str, value: bytes) -> bytes:
    """One header in Kafka's record format."""
    text = name.encode()
    return _zigzag(len(text)) + text + _zigzag(len(value)) + value


def _zigzag(value: int) -> bytes:
    """A number that is not negative, as Kafka's varint."""
    rest, out = value << 1, bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)
