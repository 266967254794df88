"""Records of one partition's log to a batch: plain payments are scanned into a frame, other records are decoded.

records ──Scanner──► rows of the frame                  a plain payment
           └─flagged──decode──► Columns ──► the same rows   any other payment
                          ├──► labels
                          └──► rejections
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from fraudstream.compiled.memory import PADDING
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.contracts.record_signature import SigningSecrets
from fraudstream.engine.arrays import BoolArray, Int64Array, UInt8Array
from fraudstream.engine.batch import Batch
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.columns import Rejection
from fraudstream.engine.copies import CopyMarks
from fraudstream.engine.decode import decode
from fraudstream.engine.forwarded_features import FeatureCodec, ForwardedFeatures
from fraudstream.engine.frame import Frame, new_frame
from fraudstream.engine.frame_columns import FrameColumns, FrameIndex
from fraudstream.engine.frame_rows import NO_TEXTS, kept_rows, read_only, write_rows
from fraudstream.engine.header_fields import COPY, LABEL, RecordHeaders
from fraudstream.engine.label_times import check_labels
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.placement import Misplaced, Placement, is_refused, misplaced_records, rejection_sentence
from fraudstream.engine.record_headers import headers_of
from fraudstream.engine.record_payments import RecordPayments
from fraudstream.engine.records import Records
from fraudstream.engine.scan import Scanner
from fraudstream.engine.sources import new_from_previous_stage

_NO_KEY = "The record has no key. Key payments by account_id, so that an account's payments keep their order."
_OTHER_KEY = "The record's key is not its account_id: other payments of the account are in another partition."


class ScansRecords(Protocol):
    """What fills a frame from plain records; `Scanner` is one."""

    def scan(self, records: Records, frame: Frame, flagged: UInt8Array) -> int:
        """As `Scanner.scan`."""


class Taken(NamedTuple):
    """The valid events of some records. Positions in `batch` and `misplaced` are indices of the records.

    `forwarded`: features of the batch's events from earlier stages; None in the first stage. `events`: payments and
    labels, those included whose columns were rejected. `dropped`, `misplaced`: as in `ApplyResult`.
    """

    batch: Batch
    forwarded: ForwardedFeatures | None
    events: int
    dropped: int = 0
    misplaced: tuple[Misplaced, ...] = ()


class Intake:
    """Reads the records of one engine's log. `is_first`: the log is that of the publishers; else `codec`, which unpacks
    the features of earlier stages, reads what the previous stage has added. `label_secrets`: those that labels of
    publishers must be signed with; None if they need not be."""

    def __init__(
        self,
        index: FrameIndex,
        too_far_ahead_ms: int,
        is_first: bool,
        codec: FeatureCodec,
        label_secrets: SigningSecrets | None = None,
    ) -> None:
        self._label_secrets, self._copies = label_secrets, CopyMarks(index.digest_key)
        self._index, self._too_far_ahead_ms, self._is_first, self._codec = index, too_far_ahead_ms, is_first, codec
        self.scanner: ScansRecords = Scanner(
            index.layout, index.attributes, index.digest_key, too_far_ahead_ms, keyed=is_first
        )

    def take(self, state: PartitionState, records: Records) -> Taken:
        """The valid events of records, and the rejections. Advances the state's `sources`.

        Raises `OtherFeatures` where the previous stage ran under another catalogue.
        """
        if not self._is_first:
            return self._from_previous_stage(state, records)
        headers = headers_of(records) if records.spans.headers_count.any() else None
        return self._from_publishers(state, records, headers)

    def _from_publishers(self, state: PartitionState, records: Records, headers: RecordHeaders | None) -> Taken:
        """In the first stage: each record must be keyed by its account, and be in the partition of its key."""
        reading = _Reading(self._index, records)
        labels = None if headers is None else headers.are(LABEL)
        flagged = self._scan(reading, labels)
        repeated = _repeated_copies(self._copies, state, records, headers) if headers is not None else _NO_ROWS
        flagged = np.setdiff1d(flagged, repeated) if len(repeated) else flagged
        reading.drop(repeated)
        if labels is not None and self._label_secrets is not None:
            unsigned = reading.refuse_unsigned(np.flatnonzero(labels), self._label_secrets, repeated)
            flagged = np.setdiff1d(flagged, unsigned)
        if len(flagged):
            reading.decode(flagged, labels, keyed=True)
        misplaced: tuple[Misplaced, ...] = ()
        if state.placement is not None:
            misplaced = reading.without_misplaced(state.placement)
        events = reading.events
        published = records.spans.timestamp_ms
        return Taken(reading.batch(published, self._too_far_ahead_ms), None, events, len(repeated), misplaced)

    def _from_previous_stage(self, state: PartitionState, records: Records) -> Taken:
        """In a later stage: each record must bring its source and features."""
        headers = headers_of(records)
        received = new_from_previous_stage(state.sources, records, headers)
        reading = _Reading(self._index, records)
        labels = headers.are(LABEL)
        flagged = self._scan(reading, labels)
        reading.keep(received.positions)
        reading.rejected += received.refused
        if len(flagged):
            reading.decode(np.intersect1d(flagged, received.positions), labels, keyed=False)
        events, valid = reading.events, reading.valid
        forwarded = self._codec.unpack_spans(records.buffer, headers.features_at[valid], headers.features_length[valid])
        batch = reading.batch(None, self._too_far_ahead_ms)
        if batch.n < len(valid):  # some have a fault in their columns
            forwarded = forwarded.at(np.searchsorted(valid, batch.positions))
        dropped = len(records) - len(received.positions) - len(received.refused)
        return Taken(batch, forwarded, events, dropped)

    def _scan(self, reading: _Reading, labels: BoolArray | None) -> Int64Array:
        """Fill the frame from the plain payments; indices of the other records: int64. `labels`: which records are
        labels; None: none is."""
        flagged = np.empty(len(reading.records), np.uint8)
        count = self.scanner.scan(reading.records, reading.frame, flagged)
        if labels is not None and labels.any():
            return np.flatnonzero(labels | (flagged != 0))
        return np.flatnonzero(flagged) if count else _NO_ROWS


class _Reading:
    """Some records while they are read. `frame`: a row for each record. `rejected`: records without a valid event."""

    def __init__(self, index: FrameIndex, records: Records) -> None:
        self.records = records
        self.frame = new_frame(index.layout, len(records))
        self.rejected: list[Rejection] = []
        self._index = index
        self._scanned: BoolArray | None = None  # records whose row the scanner filled; None: all
        self._payments: dict[int, Payment] = {}
        self._labels: list[tuple[int, Label]] = []

    @property
    def events(self) -> int:
        """Number of payments and labels so far."""
        scanned = len(self.records) if self._scanned is None else int(np.count_nonzero(self._scanned))
        return scanned + len(self._payments) + len(self._labels)

    @property
    def valid(self) -> Int64Array:
        """Indices of the records with an event, in order: int64."""
        if not self._payments and not self._labels:
            return self._rows
        decoded = [*self._payments, *(position for position, _ in self._labels)]
        return np.union1d(self._rows, np.array(decoded, np.int64))

    def keep(self, positions: Int64Array) -> None:
        """Read these records alone."""
        if len(positions) < len(self.records):
            self.drop(np.setdiff1d(np.arange(len(self.records)), positions))

    def drop(self, positions: Int64Array) -> None:
        """The scanner's rows of these records are none."""
        if len(positions):
            if self._scanned is None:
                self._scanned = np.ones(len(self.records), np.bool_)
            self._scanned[positions] = False

    def refuse_unsigned(self, labels: Int64Array, secrets: SigningSecrets, repeated: Int64Array) -> Int64Array:
        """Refuse those of `labels` that lack their signature, `repeated` ones aside; the indices of these: int64."""
        unsigned = []
        for position in np.setdiff1d(labels, repeated).tolist():
            fault = secrets.fault(self.records[position])
            if fault is not None:
                self.rejected.append(Rejection(position, "signature", fault, "$"))
                unsigned.append(position)
        found = np.array(unsigned, np.int64)
        self.drop(found)
        return found

    def decode(self, flagged: Int64Array, is_label: BoolArray | None, keyed: bool) -> None:
        """Decode the records that the scanner flagged. `keyed`: their keys must be their accounts.

        `is_label`: of all records, whether it is a label; None: none is.
        """
        self.drop(flagged)
        positions = flagged.tolist()
        read = [self.records[position] for position in positions]
        decoded = decode([record.value for record in read], None if is_label is None else is_label[flagged].tolist())
        for position, record, event in zip(positions, read, decoded, strict=True):
            if isinstance(event, Rejection):
                self.rejected.append(event._replace(position=position))
            elif keyed and record.key != event.account_id.encode():
                sentence = _NO_KEY if record.key is None else _OTHER_KEY
                self.rejected.append(Rejection(position, "key", sentence, "$.account_id"))
            elif isinstance(event, Label):
                self._labels.append((position, event))
            else:
                self._payments[position] = event

    def without_misplaced(self, placement: Placement) -> tuple[Misplaced, ...]:
        """The events whose records belong to other partitions; leaves them out, unless they are only counted."""
        misplaced = misplaced_records(placement, self.records)
        if not misplaced:
            return ()
        valid = set(self.valid.tolist())
        misplaced = tuple(found for found in misplaced if found.position in valid)
        for found in misplaced:
            if is_refused(placement, found):
                sentence = rejection_sentence(placement, found)
                self.rejected.append(Rejection(found.position, "partition", sentence, "$.account_id"))
            if placement.policy != "count":
                self._payments.pop(found.position, None)
                self._labels = [(position, label) for position, label in self._labels if position != found.position]
                self.drop(np.array([found.position]))
        return misplaced

    def batch(self, published_at_ms: Int64Array | None, too_far_ahead_ms: int) -> Batch:
        """The batch of all events. `published_at_ms`: of all records; None if times are not checked against it."""
        frame, buffer, rows = self.frame, read_only(self.records.buffer), self._rows
        if self._payments:
            positions = np.array(list(self._payments), np.int64)
            published = None if published_at_ms is None else published_at_ms[positions]
            columns, kept, rejected = read_columns(
                list(self._payments.values()),
                published,
                too_far_ahead_ms,
                self._index.attributes,
                self._index.digest_key,
            )
            self.rejected += [found._replace(position=int(positions[found.position])) for found in rejected]
            buffer = write_rows(self._index, frame, positions[kept], columns, self._scanned_texts())
            rows = np.union1d(rows, positions[kept])
        labels: list[tuple[int, Label]] = []
        if self._labels:
            times = None if published_at_ms is None else published_at_ms.tolist()
            labels, refused = check_labels(self._labels, times, too_far_ahead_ms)
            self.rejected += refused
        if len(rows) < len(self.records):
            frame = kept_rows(frame, rows)
        columns_of_all = FrameColumns(
            self._index, self._index.converted(frame), buffer, RecordPayments(self.records, rows)
        )
        self.rejected.sort(key=lambda rejection: rejection.position)
        return Batch(columns_of_all, rows, labels, self.rejected)

    def _scanned_texts(self) -> UInt8Array:
        """The part of the records' buffer that the scanned rows point into, as texts are added behind it: other records
        may share the buffer. The rows' spans are moved."""
        rows, spans = self._rows, self.records.spans
        if not len(rows):
            return NO_TEXTS
        begin = int(spans.value_at[rows].min())
        end = int((spans.value_at[rows] + spans.value_length[rows]).max()) + PADDING
        self.frame.text_at[:, rows] -= begin
        return read_only(self.records.buffer[begin:end])

    @property
    def _rows(self) -> Int64Array:
        """Indices of the records whose row the scanner filled: int64."""
        return np.arange(len(self.records)) if self._scanned is None else np.flatnonzero(self._scanned)


def _repeated_copies(copies: CopyMarks, state: PartitionState, records: Records, headers: RecordHeaders) -> Int64Array:
    """Positions of copies of misplaced records that were received before: int64. Advances the state's `sources`."""
    repeated = []
    for position in np.flatnonzero(headers.are(COPY)).tolist():
        source = copies.source(records[position])
        if source is None:
            continue
        partition, offset = source
        if offset > state.sources.get(partition, -1):
            state.sources[partition] = offset
        else:
            repeated.append(position)
    return np.array(repeated, np.int64)


_NO_ROWS: Int64Array = np.zeros(0, np.int64)
