"""The record batches of one partition, in RAM, as the producers sent them: compressed batches stay compressed."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from fraudstream.embedded.kafka_server.errors import Error, RequestRefused

# Record batch, magic 2: base offset, length, leader epoch, magic, CRC, attributes, last offset delta, base timestamp,
# max timestamp, producer id, producer epoch, base sequence, record count. The CRC covers what follows it, so offset and
# epoch may be set here.
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_BASE: Final = struct.Struct(">qii")
_LENGTH_BEFORE: Final = 12  # base offset and length are not part of the length
_MAGIC: Final = 2
_SEQUENCES_KEPT: Final = 5  # a producer has at most five requests in flight
LEADER_EPOCH: Final = 0


class FoundOffset(NamedTuple):
    """`timestamp_ms`: of the record at `offset`, or the time that was asked for where that is not known exactly."""

    offset: int
    timestamp_ms: int


class PartitionLog:
    """Offsets from `start` up to, not including, `end`. `waiting`: called after each append, for fetches that wait."""

    def __init__(self) -> None:
        self.start = self.end = 0
        self.waiting: set[Callable[[], None]] = set()
        self._batches: list[bytes] = []
        self._base_offsets, self._base_timestamps_ms, self._max_timestamps_ms = array("q"), array("q"), array("q")
        self._sequences: dict[tuple[int, int], deque[tuple[int, int]]] = {}  # of producers: base sequence, base offset

    def append(self, records: bytes) -> int:
        """Append the batches in `records`; returns the offset of the first record.

        A batch that an idempotent producer sends again is not appended again. Raises `RequestRefused`.
        """
        first, at = None, 0
        while at < len(records):
            offset, at = self._append_batch(records, at)
            first = offset if first is None else first
        if first is None:
            raise RequestRefused(Error.CORRUPT_MESSAGE, "a produce request without records")
        for wake in tuple(self.waiting):
            wake()
        return first

    def _append_batch(self, records: bytes, at: int) -> tuple[int, int]:
        """Append the batch at `at`; its base offset, and where the next one begins."""
        if len(records) - at < _HEADER.size or records[at + 16] != _MAGIC:
            raise RequestRefused(Error.UNSUPPORTED_FOR_MESSAGE_FORMAT, "only record batches of magic 2 are stored")
        header = _HEADER.unpack_from(records, at)
        length, last_delta, base_ms, max_ms, producer, epoch, sequence, count = header[1], *header[6:]
        end = at + _LENGTH_BEFORE + length
        if end > len(records) or count < 1 or last_delta < 0:
            raise RequestRefused(Error.CORRUPT_MESSAGE, "a record batch is cut short or empty")
        if producer >= 0 and sequence >= 0:
            sent = self._sequences.setdefault((producer, epoch), deque(maxlen=_SEQUENCES_KEPT))
            for known, offset in sent:
                if known == sequence:
                    return offset, end
            sent.append((sequence, self.end))
        base = self.end
        self._batches.append(_BASE.pack(base, length, LEADER_EPOCH) + records[at + _BASE.size : end])
        self._base_offsets.append(base)
        self._base_timestamps_ms.append(base_ms)
        self._max_timestamps_ms.append(max_ms)
        self.end += last_delta + 1
        return base, end

    def read(self, offset: int, bytes_max: int, at_least_one: bool) -> bytes:
        """Whole batches from the one that holds `offset`, at most `bytes_max` bytes of them; `at_least_one`: the first
        one however large it is. Raises `RequestRefused` for an offset that is out of range."""
        if not self.start <= offset <= self.end:
            raise RequestRefused(Error.OFFSET_OUT_OF_RANGE)
        if offset == self.end:
            return b""
        first = last = max(bisect_right(self._base_offsets, offset) - 1, 0)
        size = 0
        while last < len(self._batches):
            size += len(self._batches[last])
            if size > bytes_max and not (last == first and at_least_one):
                break
            last += 1
        return b"".join(self._batches[first:last])

    def offset_at(self, timestamp_ms: int) -> FoundOffset | None:
        """The first batch with a record that is not older than `timestamp_ms`: the offset of its first record, which
        may be older itself. None if all are older."""
        for base, base_ms, max_ms in zip(
            self._base_offsets, self._base_timestamps_ms, self._max_timestamps_ms, strict=True
        ):
            if max_ms >= timestamp_ms:
                return FoundOffset(max(base, self.start), max(base_ms, timestamp_ms))
        return None

    def delete_before(self, offset: int) -> None:
        """Forget the records before `offset`. Raises `RequestRefused` for an offset that is out of range."""
        if not self.start <= offset <= self.end:
            raise RequestRefused(Error.OFFSET_OUT_OF_RANGE)
        self.start = offset
        whole = bisect_right(self._base_offsets, offset) - 1 if offset < self.end else len(self._batches)
        del self._batches[: max(whole, 0)]
        for index in (self._base_offsets, self._base_timestamps_ms, self._max_timestamps_ms):
            del index[: max(whole, 0)]
