"""The records of a compressed batch, decompressed, with a limit to what that may take.

The data says how large it becomes in snappy only. So the other codecs write into a buffer of a likely size, which is
larger in each attempt.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import cramjam
import numpy as np

_Into = Callable[[Any, Any], int]  # from, to; returns the bytes written

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4  # bits 0 to 2 of a batch's attributes

_NAMES: Final = {GZIP: "gzip", SNAPPY: "snappy", LZ4: "lz4", ZSTD: "zstd"}
_INTO: Final[Mapping[int, _Into]] = {
    GZIP: cramjam.gzip.decompress_into,
    LZ4: cramjam.lz4.decompress_into,
    ZSTD: cramjam.zstd.decompress_into,
}
_GROWTH: Final = 8  # of the buffer in each attempt; payments as JSON become 4 to 8 times as large
_ROOM_MIN: Final = 1 << 12
_NO_ROOM: Final = "failed to write whole buffer"  # what cramjam says of a buffer that is too small
_XERIAL: Final = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)  # before the blocks that Java's clients write


class DecompressionFault(Exception):
    """Data that cannot be decompressed. Its text says why, and fits after "the batch at offset 7 ": "is …"."""


def decompressed(codec: int, data: bytes, limit: int) -> memoryview | bytes:
    """What `data` holds. `codec`: see the constants. Raises `DecompressionFault`, also for more than `limit` bytes."""
    if codec not in _NAMES:
        raise DecompressionFault(f"is compressed by a codec that does not exist ({codec})")
    try:
        return _snappy(data, limit) if codec == SNAPPY else _grown(_INTO[codec], data, limit)
    except (cramjam.DecompressionError, struct.error) as error:
        raise DecompressionFault(f"is no {_NAMES[codec]} data: {error}") from error


def _grown(into: _Into, data: bytes, limit: int) -> memoryview:
    """`data`, decompressed by `into`."""
    room = _ROOM_MIN + _GROWTH * len(data)
    while True:
        out = np.empty(min(room, limit), np.uint8)
        try:
            return out[: into(data, out)].data
        except cramjam.DecompressionError as error:
            if str(error) != _NO_ROOM:
                raise
        if room >= limit:
            raise _too_large(limit)
        room *= _GROWTH


def _snappy(data: bytes, limit: int) -> bytes:
    """Snappy's own format, or blocks of it, each after its length: int32, big-endian."""
    if not data.startswith(_XERIAL):
        return _block(data, limit, limit)
    at, blocks, room = len(_XERIAL), [], limit
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size < 0:
            raise struct.error("a block has a length below 0")
        blocks.append(_block(data[at : at + size], room, limit))
        room -= len(blocks[-1])
        at += size
    return b"".join(blocks)


def _block(data: bytes, room: int, limit: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(data) > room:
        raise _too_large(limit)
    return bytes(cramjam.snappy.decompress_raw(data))


def _too_large(limit: int) -> DecompressionFault:
    return DecompressionFault(f"takes more than {limit:,} bytes when decompressed")
