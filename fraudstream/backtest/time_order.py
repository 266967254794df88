"""Puts the payments of files in order of event time, or checks that they are. Equal times keep the order of the rows.

A file that is not in order is refused with the row, unless sorting is requested; the first row of a file is compared
with the last of the file before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from fraudstream.backtest.amount_review import AmountReview
from fraudstream.backtest.file_error import PaymentFileError, RowUnit
from fraudstream.backtest.mapping import Mapping
from fraudstream.backtest.payment_columns import PaymentBatch, PaymentColumns
from fraudstream.backtest.readers.table import ROWS_PER_BATCH, Int64Array, RowBatch

_BEFORE_ALL_MS = -(1 << 62)


class MappedFile(Protocol):
    """A file whose rows a mapping converts to payments; `PaymentFile` fits."""

    @property
    def path(self) -> Path:
        """Its path."""

    @property
    def mapping(self) -> Mapping:
        """Its mapping."""

    @property
    def unit(self) -> RowUnit:
        """What its row numbers count."""

    def columns(self, rows_before: int, review: AmountReview) -> PaymentColumns:
        """What converts its columns. `rows_before`: number of rows in the files before this one; `review`: of the
        amounts of all files."""

    def row_batches(self) -> Iterator[RowBatch]:
        """Its rows."""


def in_time_order(files: Sequence[MappedFile]) -> Iterator[PaymentBatch]:
    """The payments of all files. Raises `PaymentFileError` for the first row that is earlier than the one before."""
    last_ms, rows_before = _BEFORE_ALL_MS, 0
    last_file: MappedFile | None = None
    review = AmountReview()
    for file in files:
        columns, last_row = file.columns(rows_before, review), 0
        for batch, rows in file.row_batches():
            payments = columns.convert(batch, rows)
            last_row = int(rows[-1])
            times = payments.occurred_at_ms
            if not len(times):
                continue
            backwards = np.flatnonzero(np.diff(times, prepend=last_ms) < 0)
            if len(backwards):
                before = last_file if backwards[0] == 0 and last_file is not file else None
                raise _unsorted(file, int(payments.rows[backwards[0]]), before)
            last_ms, last_file = int(times[-1]), file
            yield payments
        rows_before += last_row


def sorted_by_time(files: Sequence[MappedFile]) -> Iterator[PaymentBatch]:
    """The payments of all files, sorted in memory. Raises `PaymentFileError` for the first invalid row."""
    parts: list[_Loaded] = []
    rows_before, review = 0, AmountReview()
    for file in files:
        loaded = _Loaded.from_file(file, rows_before, review)
        rows_before += int(loaded.rows[-1]) if len(loaded.rows) else 0
        parts.append(loaded)
    order = np.argsort(np.concatenate([part.times for part in parts]), kind="stable").astype(np.int64)
    first_of = np.cumsum([0, *(len(part.times) for part in parts)], dtype=np.int64)
    for start in range(0, len(order), ROWS_PER_BATCH):
        chosen = order[start : start + ROWS_PER_BATCH]
        of_file = np.searchsorted(first_of, chosen, side="right") - 1
        groups = [(index, np.flatnonzero(of_file == index)) for index in np.unique(of_file).tolist()]
        yield _merged([(at, parts[index].payments(chosen[at] - first_of[index])) for index, at in groups])


class _Loaded(NamedTuple):
    """The mapped columns of a whole file. `schema`: of its batches. `times`: event times, ms since the epoch; int64."""

    columns: PaymentColumns
    schema: Any
    arrays: list[Any]
    rows: Int64Array
    times: Int64Array

    @classmethod
    def from_file(cls, file: MappedFile, rows_before: int, review: AmountReview) -> _Loaded:
        """Read a file. Raises `PaymentFileError`."""
        columns = file.columns(rows_before, review)
        batches, rows, times = [], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for batch, numbers in file.row_batches():
            batches.append(batch)
            rows.append(numbers)
            times.append(columns.occurred_at_ms(batch, numbers))
        schema = batches[0].schema if batches else pa.schema([])
        arrays = _whole_columns(batches) if batches else []
        return cls(columns, schema, arrays, np.concatenate(rows), np.concatenate(times))

    def payments(self, indices: Int64Array) -> PaymentBatch:
        """The payments of some rows, in the order of `indices`. Raises `PaymentFileError`."""
        taken = [
            array.take(pa.array(indices)).cast(field.type)
            for array, field in zip(self.arrays, self.schema, strict=True)
        ]
        return self.columns.convert(pa.record_batch(taken, schema=self.schema), self.rows[indices])


def _whole_columns(batches: list[Any]) -> list[Any]:
    """Concatenate each column into one array and clear `batches`: `take` on chunks would concatenate at every call.

    Text gets 64-bit offsets, because a column may exceed 2 GiB.
    """
    columns = []
    for name in batches[0].schema.names:
        chunks = [batch.column(name) for batch in batches]
        chunks = [chunk.cast(pa.large_string()) if pa.types.is_string(chunk.type) else chunk for chunk in chunks]
        columns.append(pa.concat_arrays(chunks))
    batches.clear()
    return columns


def _merged(parts: list[tuple[Int64Array, PaymentBatch]]) -> PaymentBatch:
    """Payments of several files as one batch. Each part: places of its payments in the batch, and the payments."""
    if len(parts) == 1:
        return parts[0][1]
    places = np.argsort(np.concatenate([at for at, _ in parts]))
    batches = [batch for _, batch in parts]
    labelled_at = [batch.labelled_at_ms for batch in batches]
    told = [times for times in labelled_at if times is not None]  # of all or none: the files have one mapping
    payments = [payment for batch in batches for payment in batch.payments]
    return PaymentBatch(
        [payments[place] for place in places.tolist()],
        np.concatenate([batch.occurred_at_ms for batch in batches])[places],
        np.concatenate([batch.labels for batch in batches])[places],
        np.concatenate([batch.rows for batch in batches])[places],
        np.concatenate(told)[places] if told else None,
    )


def _unsorted(file: MappedFile, row: int, before: MappedFile | None) -> PaymentFileError:
    """`before`: the file whose last row is later than this first one; None if a row of `file` itself is."""
    usual = "" if file.mapping.sorted_by_time else " Files of this data set are not sorted."
    what = (
        f"the {file.unit} before it: the file is"
        if before is None
        else f"the last {file.unit} of {before.path}: the files are"
    )
    return PaymentFileError(
        str(file.path),
        f"is earlier than {what} not in order of time.{usual} Run again with --sort.",
        row,
        file.mapping.payment.occurred_at.columns[0],
        file.unit,
    )
