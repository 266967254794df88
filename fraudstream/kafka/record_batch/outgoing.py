"""Records that are to be sent, packed: no Python object stands for one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from fraudstream.compiled.packed import Int64Array, Packed, join, pack

# Bytes of a record beside key, value and headers, at most: its attributes and six varints, and a length of -1.
RECORD_OVERHEAD_MAX: Final = 64

Headers = Sequence[tuple[str, bytes]]  # names and values
OutgoingRecord = tuple[bytes | None, bytes | None, Headers]  # key, value, headers


class OutgoingRecords(NamedTuple):
    """`n` records of one partition, in order. `keys`, `values`: `packed.MISSING` where a record has none. `headers`:
    the sections that `headers` makes, with the count of headers. `timestamp_ms`: of all, ms since the epoch."""

    keys: Packed
    values: Packed
    headers: Packed
    timestamp_ms: int

    @property
    def n(self) -> int:
        """Number of records."""
        return len(self.keys.at)

    @property
    def size_max(self) -> int:
        """Bytes of the records in a batch, at most."""
        parts = int(self.keys.length.sum() + self.values.length.sum() + self.headers.length.sum())
        return parts + RECORD_OVERHEAD_MAX * self.n

    def rows(self, rows: Int64Array) -> OutgoingRecords:
        """Some of the records, in the order of `rows`. `rows`: indices; int64, shape (m,)."""
        return OutgoingRecords(self.keys.rows(rows), self.values.rows(rows), self.headers.rows(rows), self.timestamp_ms)


def pack_records(records: Iterable[OutgoingRecord], timestamp_ms: int) -> OutgoingRecords:
    """Pack record objects. `timestamp_ms`: of all of them, ms since the epoch."""
    held = list(records)
    return OutgoingRecords(
        pack(key for key, _, _ in held),
        pack(value for _, value, _ in held),
        pack(header_section(headers) for _, _, headers in held),
        timestamp_ms,
    )


def join_records(parts: Sequence[OutgoingRecords]) -> OutgoingRecords:
    """All records of the parts, one part after the other, with the timestamp of the first."""
    return OutgoingRecords(
        join([part.keys for part in parts]),
        join([part.values for part in parts]),
        join([part.headers for part in parts]),
        parts[0].timestamp_ms,
    )


def header_section(headers: Headers) -> bytes:
    """The headers of a record as the format has them: their count, then names and values.

    >>> header_section([("source", b"3:17")])
    b'\\x02\\x0csource\\x083:17'
    """
    parts = [varint(len(headers))]
    for name, value in headers:
        text = name.encode()
        parts += [varint(len(text)), text, varint(len(value)), value]
    return b"".join(parts)


def varint(value: int) -> bytes:
    """A number that is not negative, zigzag-encoded.

    >>> varint(3), varint(300)
    (b'\\x06', b'\\xd8\\x04')
    """
    rest, out = value << 1, bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)
