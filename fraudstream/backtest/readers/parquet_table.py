"""Reads Parquet files. Columns keep the types of the file's schema, which are the same for every row.

The fields of a struct are columns under a dotted path, such as `card.id`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from fraudstream.backtest.file_error import PaymentFileError, RowUnit
from fraudstream.backtest.readers.table import ROWS_PER_BATCH, RowBatch

_NO_TEXT = "a column of {kind} holds bytes that are not text in UTF-8. Write the column again as text."
_Path = tuple[int, ...]  # index of a column of the schema, then of the fields within it


class ParquetTable:
    """A Parquet file. Raises `PaymentFileError` if it is not one, or is damaged."""

    unit: RowUnit = "row"

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            metadata = pa.parquet.read_metadata(path)
            schema = metadata.schema.to_arrow_schema()
        except (OSError, pa.ArrowException) as error:
            raise PaymentFileError(str(path), f"can't be read as Parquet; is it complete? {error}") from error
        self.row_count: int | None = metadata.num_rows
        self._top = tuple(schema.names)
        columns = [found for index in range(len(schema.names)) for found in _leaves(schema.field(index), (index,))]
        self.names: tuple[str, ...] = tuple(name for name, _ in columns)
        self._paths: tuple[_Path, ...] = tuple(path for _, path in columns)

    def batches(self, positions: dict[str, int]) -> Iterator[RowBatch]:
        """As `Table.batches`; text in any form is `string`, dictionaries are decoded."""
        chosen = list(dict.fromkeys(self._top[self._paths[position][0]] for position in positions.values()))
        done = 0
        try:
            with pa.parquet.ParquetFile(self._path) as file:
                for batch in file.iter_batches(ROWS_PER_BATCH, columns=chosen):
                    columns = [self._plain_column(batch, at) for at in positions.values()]
                    rows = np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64)
                    done += batch.num_rows
                    if batch.num_rows:
                        yield RowBatch(pa.record_batch(columns, names=list(positions)), rows)
        except (OSError, pa.ArrowException) as error:
            after = f" after row {done}" if done else ""
            raise PaymentFileError(str(self._path), f"can't be read{after}: {error}") from error

    def _plain_column(self, batch: Any, at: int) -> Any:
        """The column at position `at`, as `_plain` has it. Raises `PaymentFileError` for bytes that are no text."""
        column = self._column(batch, self._paths[at])
        try:
            return _plain(column)
        except pa.ArrowInvalid as error:
            name = self.names[at]
            raise PaymentFileError(str(self._path), _NO_TEXT.format(kind=column.type), None, name) from error

    def _column(self, batch: Any, path: _Path) -> Any:
        """The column at `path`; `batch` has all columns of the same name, in the order of the file."""
        name = self._top[path[0]]
        same = [index for index, found in enumerate(batch.schema.names) if found == name]
        column = batch.column(same[self._top[: path[0]].count(name)])
        return pc.struct_field(column, list(path[1:])) if len(path) > 1 else column


def _leaves(field: Any, path: _Path, prefix: str = "") -> Iterator[tuple[str, _Path]]:
    """Name and path of a field, or of all fields within a struct."""
    name = prefix + field.name
    if not pa.types.is_struct(field.type):
        yield name, path
        return
    for index in range(field.type.num_fields):
        yield from _leaves(field.type.field(index), (*path, index), f"{name}.")


def _plain(column: Any) -> Any:
    """The column without an encoding that differs between files of the same data. Raises `pa.ArrowException`."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if isinstance(kind, pa.UuidType):
        return _uuid_texts(column)
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(column.storage)
    if pa.types.is_decimal(kind) and kind.bit_width < 128:
        return column.cast(pa.decimal128(kind.precision, kind.scale))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.binary()).cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return column.cast(pa.string())  # text without the annotation, as old writers leave it; invalid UTF-8 raises
    return column


def _uuid_texts(column: Any) -> Any:
    """UUIDs as text in small letters with hyphens, as every database prints them."""
    values = [None if value is None else str(value) for value in column.to_pylist()]
    return pa.array(values, pa.string())
