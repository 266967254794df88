"""The cells of one batch of a file: columns as Arrow arrays, as text, and joined by templates."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.row_faults import ColumnError, Int64Array, RowFaults
from fraudstream.backtest.sources import ROW, Source, template_parts
from fraudstream.backtest.text_columns import INEXACT, inexact, texts_of


class Cells:
    """The columns of an Arrow record batch. `rows`: its row numbers in the file, int64, shape (n,). `rows_before`: rows
    of the files before it, which count in `{row}`.

    The text of a value depends only on the value and the type of its column, so it is the same in every batch.
    """

    def __init__(self, batch: Any, rows: Int64Array, rows_before: int = 0) -> None:
        self.n = batch.num_rows
        self.rows = rows
        self._batch = batch
        self._rows_before = rows_before

    def has(self, name: str) -> bool:
        """Whether the batch has a column; optional ones may be missing."""
        return name in self._batch.schema.names

    def column(self, name: str) -> Any:
        """The column, with text as Arrow strings and empty text as null."""
        array = self._batch.column(name)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
            array = array.cast(pa.string())
        return pc.if_else(pc.equal(array, ""), None, array) if pa.types.is_string(array.type) else array

    def texts(self, name: str, faults: RowFaults) -> Any:
        """The column as Arrow strings, null where empty or NaN: whole floats without a decimal point.

        Faults: floats that cannot be text of which all digits are known.
        """
        if name == ROW:
            return pa.array(self.rows + self._rows_before).cast(pa.string())
        array = self.column(name)
        try:
            texts = texts_of(array)
        except ValueError as error:
            raise ColumnError(name, str(error)) from error
        kind = array.type
        if pa.types.is_floating(kind):
            faults.column(name).add(inexact(array), lambda index: INEXACT.format(value=array[index], type=kind))
        return texts

    def template(self, template: str, faults: RowFaults) -> Any:
        """The template filled in each row; null where one of its columns is empty."""
        parts: list[Any] = []
        for literal, name, pad in template_parts(template):
            parts += [pa.scalar(literal)] if literal else []
            if name is not None:
                texts = self.texts(name, faults)
                parts.append(pc.utf8_lpad(texts, pad, "0") if pad else texts)
        return pc.binary_join_element_wise(*parts, "")

    def source(self, source: Source, faults: RowFaults) -> Any:
        """The values of a column or a template, as Arrow strings."""
        return self.texts(source.column, faults) if source.column is not None else self._joined(source, faults)

    def typed_source(self, source: Source, faults: RowFaults) -> Any:
        """The values of a column with its own type; of a template or a constant as Arrow strings."""
        if source.column is not None:
            return self.column(source.column)
        return pa.repeat(source.constant, self.n) if source.constant is not None else self._joined(source, faults)

    def _joined(self, source: Source, faults: RowFaults) -> Any:
        return self.template(source.template or "", faults)

    def row(self, index: int) -> dict[str, str | None]:
        """The cells of one row as text, by column."""
        cells = {}
        for name in self._batch.schema.names:
            value = self._batch.column(name)[index].as_py()
            cells[name] = None if value is None else str(value)
        return cells
