"""Records to the body of a record batch, by compiled code.

Source: https://kafka.apache.org/documentation/#record
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.direct import Direct
from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import Packed
from fraudstream.compiled.writing import check_span, put_bytes
from fraudstream.kafka.record_batch.outgoing import RECORD_OVERHEAD_MAX, OutgoingRecords
from fraudstream.kafka.record_batch.varint import put_varint, varint_size

HEADER_BYTES: Final = 61  # of a record batch, before its records

_Bytes: TypeAlias = npt.NDArray[np.uint8]


class WrittenRecords(NamedTuple):
    """The records of one batch. `buffer`: uint8; the records are from byte `HEADER_BYTES` to before `end`, and the
    bytes before them are free for the header of the batch. `records`: how many there are. `first_ms`, `max_ms`:
    timestamp of the first record, and the highest; ms since the epoch."""

    buffer: _Bytes
    end: int
    records: int
    first_ms: int
    max_ms: int


class RecordWriter:
    """Writes one batch of at most `limit` bytes, its header included; an empty batch takes a record of any size.

    The limit is that of the batch before it is compressed, as of aiokafka's builder.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = np.empty(limit + PADDING, np.uint8)
        self._end, self._count = HEADER_BYTES, 0
        self._first_ms = self._max_ms = 0

    @property
    def count(self) -> int:
        """Number of records written."""
        return self._count

    def append(self, records: OutgoingRecords, begin: int = 0) -> int:
        """Write the records from index `begin` on, as many as fit; returns the index of the first that does not."""
        if self._count == 0 and begin < records.n:
            self._first_ms = self._max_ms = records.timestamp_ms
            self._make_room(records, begin)
        after, self._end = _write(
            self._buffer,
            self._end,
            self._limit,
            self._count,
            records.timestamp_ms - self._first_ms,
            begin,
            records.keys,
            records.values,
            records.headers,
        )
        if after > begin:
            self._count += after - begin
            self._max_ms = max(self._max_ms, records.timestamp_ms)
        return after

    def written(self) -> WrittenRecords:
        """What was written. The writer must not be used afterwards."""
        return WrittenRecords(self._buffer, self._end, self._count, self._first_ms, self._max_ms)

    def _make_room(self, records: OutgoingRecords, begin: int) -> None:
        """Take a larger buffer if the record at `begin` may need more than the limit."""
        parts = (records.keys, records.values, records.headers)
        size = HEADER_BYTES + RECORD_OVERHEAD_MAX + sum(max(0, int(part.length[begin])) for part in parts)
        if size > self._limit:
            self._buffer = np.empty(size + PADDING, np.uint8)


def write_batches(records: Sequence[OutgoingRecords], limit: int) -> Iterator[WrittenRecords]:
    """All records, in order, in as few batches of at most `limit` bytes as they fit; each is written when it is asked
    for."""
    writer = RecordWriter(limit)
    for part in records:
        at = writer.append(part)
        while at < part.n:
            yield writer.written()
            writer = RecordWriter(limit)
            at = writer.append(part, at)
    if writer.count:
        yield writer.written()


@entry_point
def _write_records(
    out: _Bytes,
    end: int,
    limit: int,
    count: int,
    timestamp_delta: int,
    begin: int,
    keys: Packed,
    values: Packed,
    headers: Packed,
) -> tuple[int, int]:
    """Write the records from index `begin` on after byte `end`, while the batch has at most `limit` bytes.

    `count`: of the records that are in the batch already. The first record of a batch is written whatever its size, if
    `out` has room. Returns the index after the last record written, and where that ends.
    """
    n = len(keys.at)
    for size in (len(keys.length), len(values.at), len(values.length), len(headers.at), len(headers.length)):
        if size != n:
            raise ValueError("the parts of the records differ in number")
    room = len(out) - PADDING
    for i in range(begin, n):
        number = count + i - begin
        body = 1 + varint_size(timestamp_delta) + varint_size(number)
        body += _part_size(keys.length[i]) + _part_size(values.length[i]) + headers.length[i]
        after = end + varint_size(body) + body
        if after > room or (after > limit and number > 0):
            return i, end
        at = put_varint(out, end, body)
        out[at] = 0  # attributes, of which there are none
        at = put_varint(out, at + 1, timestamp_delta)
        at = put_varint(out, at, number)
        at = _put_part(out, at, keys.buffer, keys.at[i], keys.length[i])
        at = _put_part(out, at, values.buffer, values.at[i], values.length[i])
        check_span(headers.buffer, headers.at[i], headers.length[i])
        end = put_bytes(out, at, headers.buffer, headers.at[i], headers.length[i])
    return n, end


@jit
def _part_size(length: int) -> int:
    """The bytes of a key or a value with its length; the length -1 stands for one that is missing."""
    return varint_size(length) + max(length, 0)


@jit
def _put_part(out: _Bytes, to: int, source: _Bytes, at: int, length: int) -> int:
    check_span(source, at, length)
    return put_bytes(out, put_varint(out, to, length), source, at, max(length, 0))


_write = Direct(_write_records)
