"""Batches that are wrong inside, under a checksum that fits: what reaches the parser itself."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import cramjam
from hypothesis import strategies as st

from tests.unit.kafka.record_batch.drawn_batches import ATTRIBUTES_AT, CONTROL, COUNT_AT, HEADER_BYTES, of_length

COMPRESS: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    0: bytes,
    1: partial(gzip.compress, mtime=0),
    2: lambda body: bytes(cramjam.snappy.compress_raw(body)),
    3: lambda body: bytes(cramjam.lz4.compress(body)),
    4: lambda body: bytes(cramjam.zstd.compress(body)),
}
_LENGTHS = (-1, 0, 1, 2**15, 2**31 - 1, -(2**31))


def _number(value: int) -> bytes:
    """A number of variable length, not the shortest form for all."""
    rest, out = ((value << 1) ^ (value >> 63)) & (2**64 - 1), bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


_inserted = st.binary(max_size=4) | st.integers(-(2**63), 2**63 - 1).map(_number) | st.just(b"\xff" * 11)


@st.composite
def changed(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` with some bytes changed, inserted or left out."""
    result = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(result)))
        removed = draw(st.sampled_from((0, 0, 1, 1, 1, 9)))
        result[at : at + removed] = draw(_inserted) if draw(st.booleans()) else draw(st.binary(max_size=removed))
    return bytes(result)


@st.composite
def attacked(draw: st.DrawFn, batch: bytes) -> bytes:
    """An uncompressed batch with other records' bytes, another count or attributes, then compressed or not."""
    header, body = bytearray(batch[:HEADER_BYTES]), batch[HEADER_BYTES:]
    if draw(st.integers(0, 3)):
        body = draw(changed(body))
    if draw(st.booleans()):
        (count,) = struct.unpack_from(">i", header, COUNT_AT)
        struct.pack_into(">i", header, COUNT_AT, draw(st.sampled_from((*_LENGTHS, count - 1, count + 1, count))))
    if not draw(st.integers(0, 7)):
        header[ATTRIBUTES_AT : ATTRIBUTES_AT + 2] = draw(st.binary(min_size=2, max_size=2))
    is_control = header[ATTRIBUTES_AT + 1] & CONTROL  # aiokafka decompresses none of these
    codec = 0 if is_control else draw(st.sampled_from((0, 0, 0, *COMPRESS)))
    header[ATTRIBUTES_AT + 1] = header[ATTRIBUTES_AT + 1] & 0xF8 | codec
    return of_length(bytes(header) + COMPRESS[codec](body))
