"""The headers of record batches: where each batch of a fetch response begins and ends, and what it says of itself.

    base offset   int64    0     CRC-32C        uint32  17     producer id      int64  43
    length        int32    8     attributes     int16   21     producer epoch   int16  51
    leader epoch  int32   12     last delta     int32   23     base sequence    int32  53
    magic         int8    16     first, max ms  int64   27, 35  record count     int32  57

The length counts the bytes after it, the checksum covers those from the attributes on.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.bits import swapped
from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.memory import load_word

HEADER_BYTES: Final = 61
CHECKED_FROM: Final = 21  # the first byte that the checksum covers
CODEC_BITS, LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x07, 0x08, 0x10, 0x20  # in the attributes
RECORD_BYTES_MIN: Final = 7  # of a record without key, value and headers

# A batch as a row of int64: its first byte, its records' first byte and the end of both, what its header says, and
# whether its records are skipped.
BEGIN, BODY, END, BASE_OFFSET, CRC, ATTRIBUTES, LAST_DELTA, FIRST_MS, MAX_MS, PRODUCER_ID, COUNT, SKIPPED = range(12)
FIELDS: Final = 12

# Why the walk over the batches ended before the end of the response.
COMPLETE, CORRUPT_LENGTH, UNKNOWN_MAGIC, OLD_MAGIC = range(4)

_LENGTH_AT, _MAGIC_AT, _BEFORE_LENGTH_ENDS = 8, 16, 12
_OLDEST_BYTES_MIN = 26  # of a batch in any format
_MAGIC = 2

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Int64s: TypeAlias = npt.NDArray[np.int64]


@entry_point
def read_headers(data: _Bytes, size: int, batches: _Int64s) -> tuple[int, int, int, int]:
    """Read the header of each batch in the first `size` bytes of `data` into a row of `batches`.

    `data`: uint8, with `PADDING` bytes after `size`. `batches`: int64, shape (size // HEADER_BYTES + 1, FIELDS).

    Returns how many batches are there, all their attributes ORed, how many records their sizes allow at most, and why
    the walk ended. A last batch that is not whole, as fetch responses have, is left out.
    """
    at, count, attributes, rows_max = 0, 0, 0, 0
    while at + _BEFORE_LENGTH_ENDS <= size:
        end = at + _BEFORE_LENGTH_ENDS + _signed(data, at + _LENGTH_AT, 4)
        if end > size:
            break
        if end < at + _OLDEST_BYTES_MIN:
            return count, attributes, rows_max, CORRUPT_LENGTH
        if data[at + _MAGIC_AT] != _MAGIC:
            return count, attributes, rows_max, OLD_MAGIC if data[at + _MAGIC_AT] < _MAGIC else UNKNOWN_MAGIC
        if end < at + HEADER_BYTES:
            return count, attributes, rows_max, CORRUPT_LENGTH
        _read_header(data, at, end, batches[count])
        attributes |= batches[count, ATTRIBUTES]
        rows_max += max(0, min(batches[count, COUNT], (end - at - HEADER_BYTES) // RECORD_BYTES_MIN))
        count += 1
        at = end
    return count, attributes, rows_max, COMPLETE


@jit
def _read_header(data: _Bytes, at: int, end: int, batch: _Int64s) -> None:
    batch[BEGIN], batch[BODY], batch[END] = at, at + HEADER_BYTES, end
    batch[BASE_OFFSET] = _signed(data, at, 8)
    batch[CRC] = _signed(data, at + 17, 4) & 0xFFFFFFFF
    batch[ATTRIBUTES] = _signed(data, at + 21, 2)
    batch[LAST_DELTA] = _signed(data, at + 23, 4)
    batch[FIRST_MS] = _signed(data, at + 27, 8)
    batch[MAX_MS] = _signed(data, at + 35, 8)
    batch[PRODUCER_ID] = _signed(data, at + 43, 8)
    batch[COUNT] = _signed(data, at + 57, 4)
    batch[SKIPPED] = 0


@jit
def _signed(data: _Bytes, at: int, size: int) -> int:
    """The big-endian integer of `size` bytes, 1 to 8. Reads 8 bytes."""
    return int(np.int64(swapped(load_word(data, at))) >> (64 - 8 * size))
