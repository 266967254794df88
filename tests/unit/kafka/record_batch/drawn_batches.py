"""Drawn fetch responses: batches of all codecs, with transactions, gaps and records of every shape."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import strategies as st

CODECS = range(5)
TRANSACTIONAL, CONTROL = 0x10, 0x20
LENGTH_AT, CRC_AT, ATTRIBUTES_AT, LAST_DELTA_AT, MAX_MS_AT, PRODUCER_AT, COUNT_AT = 8, 17, 21, 23, 35, 43, 57
HEADER_BYTES = 61
BASE = 1_000  # the offset of a drawn response

Header = tuple[str, bytes | None]
Drawn = tuple[int, bytes | None, bytes | None, list[Header]]  # timestamp, key, value, headers


@dataclass
class Response:
    """`batches`: as the log holds them. `aborted`: producer and first offset of aborted transactions. `cut`: bytes that
    the end of the response lacks."""

    batches: list[bytes] = field(default_factory=list)
    aborted: list[tuple[int, int]] = field(default_factory=list)
    cut: int = 0

    def data(self, begin: int = 0) -> bytes:
        """The answer to a fetch from `begin`: the batches from the one on that ends there or later."""
        joined = b"".join(self.batches)
        return answer(joined[: max(0, len(joined) - self.cut)], begin)


def batch_of(
    records: Sequence[Drawn], base: int = BASE, codec: int = 0, attributes: int = 0, producer: int = -1
) -> bytes:
    """A batch as a broker holds it. `attributes`: besides the codec."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, producer, 0, 0, 1 << 30)
    for k, (timestamp, key, value, headers) in enumerate(records):
        builder.append(k, timestamp, key, value, headers)
    batch = bytearray(builder.build())
    struct.pack_into(">q", batch, 0, base)
    struct.pack_into(">h", batch, ATTRIBUTES_AT, codec | attributes)
    return with_checksum(batch)


def answer(data: bytes, begin: int) -> bytes:
    """What a broker answers to a fetch from `begin` of a log that holds `data`: no batch that ends before."""
    while len(data) >= HEADER_BYTES:
        (base, length), (last_delta,) = struct.unpack_from(">qi", data), struct.unpack_from(">i", data, LAST_DELTA_AT)
        if base + last_delta >= begin:
            break
        data = data[LENGTH_AT + 4 + length :]
    return data


def aborted_from(data: bytes, begin: int, aborted: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of the aborted transactions that a broker names in its answer to a fetch from `begin`: that end there or
    later."""
    ended: list[tuple[int, int]] = []
    before = data[: len(data) - len(answer(data, begin))]
    while len(before) >= HEADER_BYTES:
        base, length = struct.unpack_from(">qi", before)
        (attributes,) = struct.unpack_from(">h", before, ATTRIBUTES_AT)
        (producer,) = struct.unpack_from(">q", before, PRODUCER_AT)
        if attributes & CONTROL:
            ended += [(who, first) for who, first in aborted if who == producer and first <= base]
        before = before[LENGTH_AT + 4 + length :]
    return [one for one in aborted if one not in ended]


def with_checksum(batch: bytes | bytearray) -> bytes:
    """The batch with the checksum of its content."""
    changed = bytearray(batch)
    struct.pack_into(">I", changed, CRC_AT, calc_crc32c(bytes(changed[ATTRIBUTES_AT:])))
    return bytes(changed)


def of_length(batch: bytes | bytearray) -> bytes:
    """The batch with its own length and the checksum of its content."""
    changed = bytearray(batch)
    struct.pack_into(">i", changed, LENGTH_AT, len(changed) - LENGTH_AT - 4)
    return with_checksum(changed)


def marker(base: int, producer: int, committed: bool) -> bytes:
    """The control batch that ends a transaction."""
    key = struct.pack(">HH", 0, int(committed))
    return batch_of([(0, key, bytes(6), [])], base, attributes=TRANSACTIONAL | CONTROL, producer=producer)


_parts = st.none() | st.binary(max_size=5) | st.binary(min_size=60, max_size=200)
_headers = st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=70)), max_size=3)
_times = st.integers(-1, 3) | st.integers(0, 2**62)
_records = st.lists(st.tuples(_times, _parts, _parts, _headers), max_size=6)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """A response as a broker may send it, and the aborted transactions of it."""
    response, base, opened = Response(), BASE, dict[int, int]()
    for _ in range(draw(st.integers(1, 5))):
        base += draw(st.sampled_from((0, 0, 0, 3)))  # compaction may remove whole batches
        producer = draw(st.integers(0, 2))
        if producer in opened and draw(st.booleans()):
            response.batches.append(marker(base, producer, committed := draw(st.booleans())))
            if not committed:
                response.aborted.append((producer, opened[producer]))
            del opened[producer]
            base += 1
            continue
        records = draw(_records)
        transactional = draw(st.booleans())
        attributes = (TRANSACTIONAL if transactional else 0) | draw(st.sampled_from((0, 0x08)))
        batch = bytearray(
            batch_of(records, base, draw(st.sampled_from(CODECS)) if records else 0, attributes, producer)
        )
        size = len(records) + draw(st.sampled_from((0, 0, 2)))  # compaction keeps the last offset
        struct.pack_into(">i", batch, LAST_DELTA_AT, max(size, 1) - 1)
        struct.pack_into(">q", batch, MAX_MS_AT, draw(_times))
        response.batches.append(with_checksum(batch))
        if transactional:
            opened.setdefault(producer, base)
        base += max(size, 1)
    response.cut = draw(st.sampled_from((0, 0, 1, 30, 70)))
    return response
