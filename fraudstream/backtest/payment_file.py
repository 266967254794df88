"""Reads a Parquet or CSV file (plain or compressed) as batches of payments in order of event time.

Memory is bounded, except when sorting, which loads the mapped columns of the whole file. A file that is not in order
is rejected with the row, unless sorting is requested. Rows with equal times keep the order of the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.mapping import Mapping
from fraudstream.backtest.payment_columns import PaymentBatch, PaymentColumns
from fraudstream.backtest.row_report import RowReport
from fraudstream.backtest.time_columns import Int64Array

ROWS_PER_BATCH = 32_768
_CSV_BLOCK_BYTES = 4 << 20
_PARQUET = (".parquet", ".pq")


class PaymentFile:
    """A file of payments read by a mapping. `rows`: number of rows, None for CSV.

    `report` is told of rows that give no payment. The constructor raises `PaymentFileError` if the file can't be read
    or lacks a mapped column.
    """

    def __init__(self, path: Path, mapping: Mapping, report: RowReport | None = None) -> None:
        self.path = path
        self._mapping = mapping
        self._columns = PaymentColumns(mapping, str(path), report)
        self._is_parquet = path.name.lower().endswith(_PARQUET)
        try:
            found = pa.parquet.read_schema(path).names if self._is_parquet else _csv_header(path)
            self.rows: int | None = pa.parquet.read_metadata(path).num_rows if self._is_parquet else None
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise PaymentFileError(str(path), f"can't be read: {error}") from error
        missing = [column for column in mapping.columns if column not in found]
        if missing:
            raise PaymentFileError(
                str(path),
                f"has no column {', '.join(map(repr, missing))}, which the mapping {mapping.name!r} reads. "
                f"It has {', '.join(found)}.",
            )

    def batches(self, sort: bool = False) -> Iterator[PaymentBatch]:
        """The payments in order of event time. `sort`: sort the file first.

        Raises `PaymentFileError` for the first invalid row, or the first row out of order if `sort` is False.
        """
        return self._sorted() if sort else self._in_order()

    def _in_order(self) -> Iterator[PaymentBatch]:
        last_ms = -(1 << 62)
        for batch, rows in self._record_batches():
            payments = self._columns.convert(batch, rows)
            times = payments.occurred_at_ms
            if not len(times):
                continue
            backwards = np.flatnonzero(np.diff(times, prepend=last_ms) < 0)
            if len(backwards):
                raise self._unsorted(int(payments.rows[backwards[0]]))
            last_ms = int(times[-1])
            yield payments

    def _unsorted(self, row: int) -> PaymentFileError:
        usual = "" if self._mapping.sorted_by_time else " Files of this data set are not sorted."
        column = self._mapping.payment.occurred_at.columns[0]
        return PaymentFileError(
            str(self.path),
            f"is earlier than the row before it: the file is not in order of time.{usual} Run again with --sort.",
            row,
            column,
        )

    def _sorted(self) -> Iterator[PaymentBatch]:
        parts, times = [], []
        for batch, rows in self._record_batches():
            parts.append(batch)
            times.append(self._columns.occurred_at_ms(batch, rows))
        if not parts:
            return
        schema, columns = parts[0].schema, _whole_columns(parts)
        order: Int64Array = np.argsort(np.concatenate(times), kind="stable").astype(np.int64)
        for start in range(0, len(order), ROWS_PER_BATCH):
            chosen = order[start : start + ROWS_PER_BATCH]
            taken = [
                column.take(pa.array(chosen)).cast(field.type) for column, field in zip(columns, schema, strict=True)
            ]
            yield self._columns.convert(pa.record_batch(taken, schema=schema), chosen + 1)

    def _record_batches(self) -> Iterator[tuple[Any, Int64Array]]:
        """The mapped columns of the file in record batches, and the row numbers of each."""
        first = 1
        try:
            for batch in self._read():
                if batch.num_rows:
                    yield batch, np.arange(first, first + batch.num_rows, dtype=np.int64)
                    first += batch.num_rows
        except pa.ArrowException as error:
            raise PaymentFileError(str(self.path), f"can't be read after row {first - 1}: {error}") from error

    def _read(self) -> Iterator[Any]:
        columns = list(self._mapping.columns)
        if self._is_parquet:
            with pa.parquet.ParquetFile(self.path) as file:
                yield from file.iter_batches(ROWS_PER_BATCH, columns=columns)
            return
        broken: list[Any] = []

        def keep(row: Any) -> str:
            broken.append(row)
            return "skip"

        reader = pa.csv.open_csv(
            self.path,
            read_options=pa.csv.ReadOptions(block_size=_CSV_BLOCK_BYTES, use_threads=False),
            parse_options=pa.csv.ParseOptions(invalid_row_handler=keep),
            # All text: a type guessed from the first rows would turn amounts into floats and ids with
            # leading zeros into numbers.
            convert_options=pa.csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        with reader:
            for batch in reader:
                if broken:
                    break
                for start in range(0, batch.num_rows, ROWS_PER_BATCH):
                    yield batch.slice(start, ROWS_PER_BATCH)
        if broken:
            row = broken[0]
            sentence = f"has {row.actual_columns} columns, expected {row.expected_columns}: {row.text[:80]!r}"
            raise PaymentFileError(str(self.path), sentence, row.number - 1 if row.number is not None else None)


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


def _csv_header(path: Path) -> list[str]:
    with pa.input_stream(str(path), compression="detect") as stream:
        head = stream.read(1 << 16)
    lines = head.decode("utf-8-sig").splitlines()
    if not lines:
        raise PaymentFileError(str(path), "is empty.")
    return next(csv.reader([lines[0]]))
