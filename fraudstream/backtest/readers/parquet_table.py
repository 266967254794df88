"""Reads Parquet files. Columns keep the types of the file's schema, which are the same for every row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.readers.table import ROWS_PER_BATCH, RowBatch


class ParquetTable:
    """A Parquet file. Raises `PaymentFileError` if it is not one, or is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            metadata = pa.parquet.read_metadata(path)
            self._schema = metadata.schema.to_arrow_schema()
        except (OSError, pa.ArrowException) as error:
            raise PaymentFileError(str(path), f"can't be read as Parquet; is it complete? {error}") from error
        self.row_count: int | None = metadata.num_rows
        self.names: tuple[str, ...] = tuple(self._schema.names)

    def batches(self, positions: dict[str, int]) -> Iterator[RowBatch]:
        """As `Table.batches`; text in any form is `string`, dictionaries are decoded."""
        chosen = list(dict.fromkeys(self.names[position] for position in positions.values()))
        done = 0
        try:
            with pa.parquet.ParquetFile(self._path) as file:
                for batch in file.iter_batches(ROWS_PER_BATCH, columns=chosen):
                    columns = [_plain(self._column(batch, position)) for position in positions.values()]
                    rows = np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64)
                    done += batch.num_rows
                    if batch.num_rows:
                        yield RowBatch(pa.record_batch(columns, names=list(positions)), rows)
        except (OSError, pa.ArrowException) as error:
            after = f" after row {done}" if done else ""
            raise PaymentFileError(str(self._path), f"can't be read{after}: {error}") from error

    def _column(self, batch: Any, position: int) -> Any:
        """The column at `position` of the file; `batch` has all columns of its name, in the order of the file."""
        name = self.names[position]
        same = [index for index, found in enumerate(batch.schema.names) if found == name]
        return batch.column(same[self.names[:position].count(name)])


def _plain(column: Any) -> Any:
    """The column without an encoding that differs between files of the same data. Raises `pa.ArrowException`."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return column.cast(pa.string())  # text without the annotation, as old writers leave it; invalid UTF-8 raises
    return column
