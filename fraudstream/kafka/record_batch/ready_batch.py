"""A record batch that is written already, as aiokafka's sender takes it.

aiokafka's accumulator asks its own `BatchBuilder` for what `ReadyBatch` has: see `producer/message_accumulator.py` of
version 0.14. The producer's id and the sequence number are known only when the batch is sent first: header and checksum
are made then. A batch that is sent again has the same bytes, so the broker knows it.
"""

from __future__ import annotations

import struct
from typing import Final

from aiokafka.record.util import calc_crc32c

from fraudstream.kafka.compression import Codec, batch_attribute, compress
from fraudstream.kafka.record_batch.writer import HEADER_BYTES, WrittenRecords

# Base offset, length of what follows, leader epoch, magic, checksum, attributes, offset of the last record, timestamp
# of the first, the highest, producer id and epoch, sequence number of the first record, number of records.
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH_END: Final = 12  # the length counts the bytes from here on
_CHECKSUM: Final = struct.Struct(">I")
_CHECKSUM_AT, _CHECKED_FROM = 17, 21
_MAGIC: Final = 2
_TRANSACTIONAL: Final = 16  # bit 4 of the attributes
_NO_LEADER_EPOCH: Final = -1
_NO_PRODUCER: Final = (-1, -1, 0)

assert _HEADER.size == HEADER_BYTES


class ReadyBatch:
    """A batch in its codec. `transactional`: of a producer with a transactional id, to be sent in a transaction.

    The constructor compresses, so it may be called in a thread; a batch that compression does not make smaller is sent
    as it is. It copies what it needs of `written`.
    """

    def __init__(self, written: WrittenRecords, codec: Codec, transactional: bool = False) -> None:
        records = written.buffer.data[HEADER_BYTES : written.end]
        packed = compress(codec, records) if codec != "none" else None
        if packed is None or len(packed) >= len(records):
            codec = "none"
            self._data = bytearray(written.buffer.data[: written.end])
        else:
            self._data = bytearray(HEADER_BYTES) + packed
        self._attributes = batch_attribute(codec) | (_TRANSACTIONAL if transactional else 0)
        self._count, self._first_ms, self._max_ms = written.records, written.first_ms, written.max_ms
        self._producer = _NO_PRODUCER
        self._built = False

    def record_count(self) -> int:
        """Number of records."""
        return self._count

    def size(self) -> int:
        """Bytes of the batch."""
        return len(self._data)

    def closed(self) -> bool:
        """Always: aiokafka sends a closed batch without waiting for more."""
        return True

    def close(self) -> None:
        """Do nothing: the batch is closed."""

    def append(self, **record: object) -> None:
        """Refuse the record, as a full batch does."""

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        """Called before the batch is sent first, by a producer with an id."""
        self._producer = (producer_id, producer_epoch, base_sequence)
        self._built = False

    def _build(self) -> bytearray:
        """The bytes to send; the same ones when it is called again."""
        if not self._built:
            self._write_header()
            self._built = True
        return self._data

    def _write_header(self) -> None:
        data = self._data
        _HEADER.pack_into(
            data,
            0,
            0,  # the broker sets the base offset
            len(data) - _LENGTH_END,
            _NO_LEADER_EPOCH,
            _MAGIC,
            0,  # the checksum, which covers the fields after it
            self._attributes,
            self._count - 1,
            self._first_ms,
            self._max_ms,
            *self._producer,
            self._count,
        )
        _CHECKSUM.pack_into(data, _CHECKSUM_AT, calc_crc32c(memoryview(data)[_CHECKED_FROM:]))
