"""The record batches of a fetch response, from bytes to spans.

    bytes ─► headers ─► checksums ─► transactions ─► decompression ─► records

Each step may find that a batch cannot be read. What is before it is returned then, and the fetch that begins with that
batch raises `UnreadableBatch`: so no readable record waits for a batch behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException

from fraudstream.compiled.direct import Direct
from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.spans import Spans
from fraudstream.kafka.record_batch import batch_header, record_spans
from fraudstream.kafka.record_batch.batch_header import (
    ATTRIBUTES,
    BEGIN,
    BODY,
    CHECKED_FROM,
    CODEC_BITS,
    COMPLETE,
    CONTROL,
    CORRUPT_LENGTH,
    COUNT,
    CRC,
    END,
    FIELDS,
    HEADER_BYTES,
    OLD_MAGIC,
    RECORD_BYTES_MIN,
    SKIPPED,
    TRANSACTIONAL,
    UNKNOWN_MAGIC,
)
from fraudstream.kafka.record_batch.checksum import crc32c
from fraudstream.kafka.record_batch.decompression import DecompressionFault, decompressed
from fraudstream.kafka.record_batch.transactions import mark_skipped

DECOMPRESSED_BYTES_MAX: Final = (
    1 << 27
)  # of the batches of a response; by default a batch has at most 1 MiB, compressed

_UNUSED: Final = bytes(PADDING)
_OLD_FORMAT: Final = "is in a format that is older than version 2"
_CHECKSUM_FAULT: Final = "does not match its checksum"
_MARKER_FAULT: Final = "holds no marker of a transaction, though it says so"
_RECORD_FAULT: Final = "holds records whose lengths do not add up"

_FAULTS: Final = {
    COMPLETE: "",
    CORRUPT_LENGTH: "is shorter than its own header",
    UNKNOWN_MAGIC: "is in a format that is newer than version 2",
    OLD_MAGIC: _OLD_FORMAT,
}

_read_headers = Direct(batch_header.read_headers)
_read_records = Direct(record_spans.read_records)
_Batches: TypeAlias = npt.NDArray[np.int64]


class Parsed(NamedTuple):
    """Records of a response. `buffer`: uint8, with `PADDING` bytes after the last span. `next_offset`: where the next
    fetch begins: after markers and aborted records, which the offsets of `spans` do not show."""

    buffer: npt.NDArray[np.uint8]
    spans: Spans
    next_offset: int


class UnreadableBatch(CorruptRecordException):  # type: ignore[misc]
    """A record batch that cannot be read. `sentence` says where it is, what is wrong and what to do."""

    def __init__(self, tp: TopicPartition, offset: int, fault: str) -> None:
        """`offset`: the first of the batch. `fault`: what is wrong, as what the batch "is", "has" or "does"."""
        self.sentence = (
            f"{tp.topic}-{tp.partition}: the record batch at offset {offset} {fault}. Check the disk and the network "
            "of the partition's leader. If the batch stays unreadable, move the beginning of the log behind it with "
            "kafka-delete-records.sh; the records in it are lost."
        )
        super().__init__(self.sentence)

    def __str__(self) -> str:
        return self.sentence


class OldFormat(Exception):
    """The response begins with a batch in a format before version 2, which this module does not read."""


def parse(
    data: bytes,
    begin: int,
    tp: TopicPartition,
    aborted: Iterable[tuple[int, int]] = (),
    committed_only: bool = True,
    decompressed_max: int = DECOMPRESSED_BYTES_MAX,
) -> Parsed:
    """The records from offset `begin` on in a fetch response of partition `tp`.

    `data`: the batches; the last one may be cut. `aborted`, `committed_only`: see `mark_skipped`. Raises
    `UnreadableBatch` or `OldFormat` for the first batch that holds a record from `begin` on.
    """
    buffer = np.frombuffer(data + _UNUSED, np.uint8)
    headers = np.empty((len(data) // HEADER_BYTES + 1, FIELDS), np.int64)
    count, attributes, rows_max, ended = _read_headers(buffer, len(data), headers)
    batches, fault = headers[:count], _FAULTS[ended]
    if (matching := _count_matching(data, batches)) < len(batches):
        batches, fault = batches[:matching], _CHECKSUM_FAULT
    if attributes & (TRANSACTIONAL | CONTROL):
        known = mark_skipped(data, batches, aborted, committed_only)
        if known < len(batches):
            batches, fault = batches[:known], _MARKER_FAULT
    if attributes & CODEC_BITS:
        bodies = _bodies(data, batches, decompressed_max)
        batches, fault = batches[: len(bodies.parts)], bodies.fault or fault
        buffer, rows_max = np.frombuffer(b"".join((*bodies.parts, _UNUSED)), np.uint8), bodies.rows_max
    columns = np.empty((len(Spans._fields), rows_max), np.int64)
    rows, next_offset, read = _read_records(buffer, batches, len(batches), begin, columns)
    if read < len(batches):
        fault = _RECORD_FAULT
    if fault and next_offset <= begin:
        raise OldFormat() if fault == _OLD_FORMAT else UnreadableBatch(tp, begin, fault)
    return Parsed(buffer, Spans(*columns[:, :rows]), next_offset)


def _count_matching(data: bytes, batches: _Batches) -> int:
    """How many batches match their checksums before the first that does not."""
    spans = zip(*(batches[:, field].tolist() for field in (BEGIN, END, CRC)), strict=True)
    for k, (begin, end, checksum) in enumerate(spans):
        if crc32c(data[begin + CHECKED_FROM : end]) != checksum:
            return k
    return len(batches)


class _Bodies(NamedTuple):
    """The records of batches, decompressed. `rows_max`: how many their sizes allow. `fault`: what is wrong with the
    batch after them; an empty text if these are all."""

    parts: list[bytes | memoryview]
    rows_max: int
    fault: str


def _bodies(data: bytes, batches: _Batches, room: int) -> _Bodies:
    """The records of each batch, `room` bytes in all at most. Sets where they lie when the parts are joined."""
    parts: list[bytes | memoryview] = []
    at = rows_max = 0
    for k, batch in enumerate(batches.tolist()):
        body: bytes | memoryview = b"" if batch[SKIPPED] else data[batch[BODY] : batch[END]]
        if body and (codec := batch[ATTRIBUTES] & CODEC_BITS):
            try:
                body = decompressed(codec, bytes(body), room - at)
            except DecompressionFault as fault:
                return _Bodies(parts, rows_max, str(fault))
        parts.append(body)
        batches[k, BODY] = at
        at += len(body)
        batches[k, END] = at
        rows_max += max(0, min(batch[COUNT], len(body) // RECORD_BYTES_MIN))
    return _Bodies(parts, rows_max, "")
