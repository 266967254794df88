"""The changelog of a partition's state: rows, and the checkpoint record with their position in the input.

A checkpoint is its rows followed by one record under `CHECKPOINT_KEY`. Where a transaction makes them one unit, rows
count as they are read. Without transactions rows count only once their checkpoint record has been read, so that after a
crash between two batches of one checkpoint nothing of it is applied; and both carry the epoch of the owner that wrote
them, so that rows of an incomplete checkpoint, and rows that an owner wrote after it had lost the partition, never
count. An epoch begins with a record under `EPOCH_KEY`, which the new owner writes before it reads, so it reads every
record that counts.

    ...rows(a) checkpoint(a)   rows(a)            | epoch b  rows(a) checkpoint(a)   opening(b)   rows(b) checkpoint(b)
       count                   incomplete: ignored| begins   too late: ignored       counts       count

An operator who accepts that retention has deleted records before they were processed writes a record under `GAP_KEY`
and the offset of the first one (`operations.accept_gap`). It belongs to no epoch, and counts for the gap that begins at
that offset.

An import (`operations.state_import`) begins with a record under `IMPORT_KEY`, which begins its epoch, and ends with its
checkpoint record. Without that record there is no checkpoint, so no worker starts from a partial import.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from fraudstream.compiled.packed import Packed, sealed
from fraudstream.compiled.spans import MISSING
from fraudstream.contracts.log_record import KeyedRecord, LogRecord
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.packed_records import PackedRecords
from fraudstream.engine.records import Records, records_of
from fraudstream.kafka.record_batch.outgoing import header_section
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord, decode_checkpoint
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import CheckpointMode

CHECKPOINT_KEY = b"\0checkpoint"
EPOCH_KEY = b"\0epoch"
IMPORT_KEY = b"\0import"
GAP_KEY = b"\0gap\0"
EPOCH_HEADER = "epoch"


class AcceptedGap(msgspec.Struct, frozen=True, omit_defaults=True):
    """The records from `first` to before `next` of the partition of `topic` were deleted unprocessed, and the loss was
    accepted. `next`: where the log began then; a worker that resumes later begins where it begins by then."""

    topic: str
    first: int
    next: int
    accepted_by: str
    accepted_at_ms: int
    note: str | None = None
    schema_version: int = 1


class Row(KeyedRecord, Protocol):
    """The part of a changelog record that is needed here; `LogRecord` fits. Its value is a row, the checkpoint record
    or the epoch."""

    @property
    def offset(self) -> int:
        """Its position in the partition."""


class Change(NamedTuple):
    """A record to be written: a changed row or a checkpoint record."""

    key: bytes
    value: bytes


class RestoresRows(Protocol):
    """The part of the engine's `PartitionState` that recovery needs."""

    def restore_packed(self, records: PackedRecords) -> None:
        """Restore rows. Raises `ValueError` for rows of another layout."""


decode_gap = msgspec.json.Decoder(AcceptedGap).decode


def gap_change(gap: AcceptedGap) -> Change:
    """The record in which an operator accepts a gap."""
    return Change(GAP_KEY + b"%d" % gap.first, msgspec.json.encode(gap))


def accepted_gaps(records: Iterable[Row]) -> dict[int, AcceptedGap]:
    """The accepted gaps among changelog records, by their first offset."""
    found = [
        decode_gap(record.value)
        for record in records
        if record.key is not None and record.key.startswith(GAP_KEY) and record.value is not None
    ]
    return {gap.first: gap for gap in found}


class ChangelogRestorer:
    """Reads one partition's changelog from its beginning into `state`.

    After the last record `checkpoint` is the last checkpoint record that counts, None if there is none; `gaps` are the
    accepted gaps by their first offset; `records` and `size` (bytes of keys and values) are what was read.
    """

    def __init__(self, state: RestoresRows, mode: CheckpointMode) -> None:
        """`mode`: that of the worker, which must be that of the changelog."""
        self.checkpoint: CheckpointRecord | None = None
        self.gaps: dict[int, AcceptedGap] = {}
        self.records = 0
        self.size = 0
        self._state = state
        self._mode = mode
        self._epoch: bytes | None = None
        self._waiting: list[tuple[PackedRecords, Int64Array]] = []  # which of them

    def feed(self, records: Sequence[LogRecord]) -> None:
        """Take records in the order of the log, in pieces of any size.

        Raises `PermanentFailure` for a changelog of the other checkpoint mode, `ValueError` for rows of another layout.
        """
        fetched = records_of(records)
        _check_present(fetched)
        packed, begin = _packed(fetched), 0
        for at in np.flatnonzero(fetched.buffer[fetched.spans.key_at] == 0).tolist():
            record = fetched[at]
            if _is_row(record.key or b""):
                continue
            self._take_rows(fetched, packed, begin, at)
            self._control(record)
            begin = at + 1
        self._take_rows(fetched, packed, begin, len(fetched))
        if self._mode == "transaction":
            self._restore_waiting()

    def _control(self, record: LogRecord) -> None:
        """Take a record that is no row."""
        key, value = record.key or b"", record.value or b""
        if key == EPOCH_KEY:
            self._begin_epoch(value)
            return
        if key.startswith(GAP_KEY):
            self.gaps |= accepted_gaps([record])
            return
        self.records += 1
        self.size += len(key) + len(value)
        if key == CHECKPOINT_KEY:
            self._checkpoint(decode_checkpoint(value))
        else:
            self._begin_epoch(value)  # of an import

    def _take_rows(self, fetched: Records, packed: PackedRecords, begin: int, end: int) -> None:
        """Keep the rows from index `begin` to before `end`, in mode `batch` those of the epoch, until they are
        restored. `packed`: keys and values of all that was fetched."""
        if begin == end:
            return
        self.records += end - begin
        self.size += int(packed.keys.length[begin:end].sum() + packed.values.length[begin:end].sum())
        rows = np.arange(begin, end)
        self._waiting.append(
            (packed, rows if self._mode == "transaction" else begin + self._of_epoch(fetched[begin:end]))
        )

    def _of_epoch(self, rows: Records) -> Int64Array:
        """The indices of the rows that carry the present epoch. Almost all do, and have the same bytes as headers: only
        the others are read as objects."""
        same = np.zeros(len(rows), np.bool_)
        if self._epoch is not None:
            section = np.frombuffer(header_section([(EPOCH_HEADER, self._epoch)])[1:], np.uint8)  # without the count
            at = np.minimum(rows.spans.headers_at, len(rows.buffer) - len(section))
            found = rows.buffer[at[:, None] + np.arange(len(section))]
            same = (rows.spans.headers_count == 1) & (found == section).all(axis=1)
        for index in np.flatnonzero(~same).tolist():
            same[index] = _epoch(rows[index]) == self._epoch
        return np.flatnonzero(same)

    def _restore_waiting(self) -> None:
        """Restore what waits: what was fetched together, together."""
        for _, group in groupby(self._waiting, key=lambda waiting: id(waiting[0])):
            (packed, *_), indices = zip(*group, strict=True)
            rows = np.concatenate(indices)
            self._state.restore_packed(PackedRecords(packed.keys.rows(rows), packed.values.rows(rows)))
        self._waiting = []

    def _checkpoint(self, record: CheckpointRecord) -> None:
        if record.mode != self._mode:
            raise PermanentFailure(
                f"The changelog was written in checkpoint mode '{record.mode}', this worker runs in '{self._mode}'. "
                f"Set worker.checkpoint_mode to '{record.mode}'; or stop all workers, delete the changelog topic, run "
                "`fraudstream topics apply` and let the workers process the payments from the first one on."
            )
        if self._mode == "batch":
            if record.epoch.encode() != self._epoch:
                return
            self._restore_waiting()
        self.checkpoint = record

    def _begin_epoch(self, epoch: bytes) -> None:
        self._epoch = epoch
        if self._mode == "batch":
            self._waiting = []


def _is_row(key: bytes) -> bool:
    return key not in (EPOCH_KEY, CHECKPOINT_KEY, IMPORT_KEY) and not key.startswith(GAP_KEY)


def _check_present(records: Records) -> None:
    """Assert that every record has a key and a value."""
    spans = records.spans
    for what, length in (("key", spans.key_length), ("value", spans.value_length)):
        missing = length == MISSING
        assert not missing.any(), f"changelog record at offset {spans.offset[missing][0]} has no {what}"


def _packed(rows: Records) -> PackedRecords:
    """Keys and values of rows, in the buffer that they were fetched in."""
    buffer, spans = rows.buffer.view(), rows.spans
    keys = sealed(buffer, spans.key_at, spans.key_length)
    return PackedRecords(keys, Packed(buffer, spans.value_at, spans.value_length))


def _epoch(record: LogRecord) -> bytes | None:
    return next((value for name, value in record.headers if name == EPOCH_HEADER), None)
