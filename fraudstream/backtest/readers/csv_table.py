"""Reads CSV files of any separator, encoding, quote and line end, with lines before and rows after the table.

Every cell is read as text: a type guessed from some rows would turn amounts into floats and ids with leading zeros into
numbers. Nothing depends on where a block of the file ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from fraudstream.backtest.file_error import PaymentFileError, RowUnit
from fraudstream.backtest.file_layout import NO_QUOTE, FileLayout
from fraudstream.backtest.readers.byte_stream import (
    HEAD_BYTES,
    UndecodableByteError,
    encoding_of,
    open_bytes,
    utf8_pieces,
)
from fraudstream.backtest.readers.csv_records import Dialect, RecordError, record_blocks, record_ends
from fraudstream.backtest.readers.table import ROWS_PER_BATCH, Int64Array, OnBadRow, RowBatch, refuse

BLOCK_BYTES = 4 << 20
_SHOWN_CHARACTERS = 80


class CsvTable:
    """A CSV file. `head`: its first decompressed bytes. `on_bad_row`: is called for each row of another width.

    Raises `PaymentFileError` if its first rows cannot be read.
    """

    unit: RowUnit = "row"
    row_count = None

    def __init__(self, path: Path, head: bytes, layout: FileLayout, on_bad_row: OnBadRow = refuse) -> None:
        self._path, self._layout, self._on_bad_row = path, layout, on_bad_row
        quote = "" if layout.quote == NO_QUOTE else layout.quote
        escape = layout.escape or ""
        self._dialect = Dialect(layout.separator_of(path.name).encode(), quote.encode(), escape.encode())
        try:
            self._encoding = encoding_of(head, layout.encoding)
        except ValueError as error:
            raise PaymentFileError(str(path), str(error)) from error
        done = [-1 if layout.has_header else 0]
        with self._located(done):
            records = self._first_records(2, done)
        header = cells_of(records.pop(0), self._dialect) if layout.has_header and records else ()
        if layout.has_header and not any(name.strip() for name in header):
            raise PaymentFileError(str(path), f"has no column names in line {layout.header_row or 1}.")
        first = cells_of(records[0], self._dialect) if records else header
        self.names: tuple[str, ...] = header or layout.columns or ("",) * len(first)
        self._width = self._cells_a_row(first)
        self.names = self.names[: self._width]

    def batches(self, positions: dict[str, int]) -> Iterator[RowBatch]:
        """As `Table.batches`; every column is text, with empty cells null."""
        done = [0]
        with self._located(done):
            for block in self._blocks():
                if block.strip():
                    yield from self._rows_of(block, positions, done)

    def _cells_a_row(self, first: tuple[str, ...]) -> int:
        """How many cells a row has. `first`: those of the first row. Separators may end each row, or the header."""
        expected, found = len(self.names), len(first)
        after_row = found > expected and not any(first[expected:])
        after_header = found < expected and not any(name.strip() for name in self.names[found:])
        return found if after_row or after_header else expected

    def _text(self, piece_bytes: int) -> Iterator[bytes]:
        """The text from the header on, or from the first row if there is no header."""
        with open_bytes(self._path) as stream:
            pieces = utf8_pieces(stream, self._encoding, piece_bytes)
            yield from _without_lines(pieces, (self._layout.header_row or 1) - 1)

    def _first_records(self, count: int, done: list[int]) -> list[bytes]:
        """At most `count` records, the header included. `done`: number of the rows found; it counts on."""
        found: list[bytes] = []
        for block in record_blocks(self._text(HEAD_BYTES), self._dialect):
            ends = record_ends(block, self._dialect).ends[:count].tolist()
            found += [block[start:end] for start, end in zip([0, *ends], ends, strict=False)]
            done[0] += len(ends)
            if len(found) >= count:
                break
        return found[:count]

    def _blocks(self) -> Iterator[bytes]:
        """The rows, in blocks."""
        header_due = self._layout.has_header
        trailer_rows = self._layout.trailer_rows
        for block in record_blocks(self._text(BLOCK_BYTES), self._dialect, trailer_rows):
            yield block[int(record_ends(block, self._dialect).ends[0]) :] if header_due else block
            header_due = False

    def _rows_of(self, block: bytes, positions: dict[str, int], done: list[int]) -> Iterator[RowBatch]:
        """The rows of a block of whole records. `done`: number of the rows before it; it counts on."""
        unnamed = range(len(self.names), self._width)
        table, invalid = _parsed(block, self._dialect, self._width, {*positions.values(), *unnamed})
        numbers = np.arange(1, table.num_rows + len(invalid) + 1, dtype=np.int64) + done[0]
        numbers = np.delete(numbers, [row.number - 1 for row in invalid])
        for position in unnamed:
            self._check_unnamed(table.column(str(position)), numbers)
        columns = [_one_array(table.column(str(position))) for position in positions.values()]
        if b'="' in block:
            columns = [_without_formulas(column) for column in columns]
        batch = pa.record_batch(columns, names=list(positions))
        start = 0
        for before, row in enumerate(invalid):
            stop = row.number - 1 - before
            yield from _sliced(batch, numbers, start, stop)
            self._on_bad_row(self._wrong_width(row, done[0] + row.number))
            start = stop
        yield from _sliced(batch, numbers, start, len(numbers))
        done[0] += table.num_rows + len(invalid)

    def _check_unnamed(self, column: Any, numbers: Int64Array) -> None:
        """Refuse cells beyond the header's last that are not empty."""
        if column.null_count < len(column):
            index = int(np.flatnonzero(column.is_valid().to_numpy())[0])
            sentence = f"has {self._width} cells, but the header names {len(self.names)} columns."
            raise PaymentFileError(str(self._path), sentence, int(numbers[index]))

    def _wrong_width(self, row: Any, number: int) -> PaymentFileError:
        shown = row.text[:_SHOWN_CHARACTERS]
        sentence = f"has {row.actual_columns} columns, expected {self._width}: {shown!r}"
        return PaymentFileError(str(self._path), sentence, number)

    @contextmanager
    def _located(self, done: list[int]) -> Iterator[None]:
        """Raises what goes wrong as `PaymentFileError`. `done`: number of the rows read before it."""
        path = str(self._path)
        try:
            yield
        except (UndecodableByteError, RecordError) as error:
            raise PaymentFileError(path, str(error), done[0] + 1 or None) from error
        except (OSError, pa.ArrowException) as error:
            after = f" after row {done[0]}" if done[0] > 0 else ""
            raise PaymentFileError(path, f"can't be read{after}: {error}") from error


def cells_of(record: bytes, dialect: Dialect) -> tuple[str, ...]:
    """The cells of one record in UTF-8.

    >>> cells_of(b'1,"a, b",\\n', Dialect(b",", b'"'))
    ('1', 'a, b', '')
    """
    record = record.rstrip(b"\r\n") + b"\n"
    cells_max = record.count(dialect.separator) + 1
    table = pa.csv.read_csv(
        pa.BufferReader(record),
        read_options=pa.csv.ReadOptions(autogenerate_column_names=True, block_size=len(record) + 1, use_threads=False),
        parse_options=_parse_options(dialect),
        convert_options=pa.csv.ConvertOptions(column_types={f"f{n}": pa.string() for n in range(cells_max)}),
    )
    return tuple(table.column(n)[0].as_py() for n in range(table.num_columns))


def _parsed(block: bytes, dialect: Dialect, width: int, positions: set[int]) -> tuple[Any, list[Any]]:
    """The rows of `width` cells of a block as an Arrow table of text, and the rows of another width. The table has the
    columns at `positions`, by number."""
    invalid: list[Any] = []

    def keep(row: Any) -> str:
        invalid.append(row)
        return "skip"

    names = [str(position) for position in range(width)]
    table = pa.csv.read_csv(
        pa.BufferReader(block),
        read_options=pa.csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False),
        parse_options=_parse_options(dialect, keep),
        convert_options=pa.csv.ConvertOptions(
            include_columns=[names[position] for position in sorted(positions)],
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            check_utf8=False,  # checked when the text was decoded
        ),
    )
    return table, invalid


def _parse_options(dialect: Dialect, on_invalid_row: Any = None) -> Any:
    return pa.csv.ParseOptions(
        delimiter=dialect.separator.decode(),
        quote_char=dialect.quote.decode() or False,
        escape_char=dialect.escape.decode() or False,
        newlines_in_values=True,
        invalid_row_handler=on_invalid_row,
    )


def _one_array(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], pa.string())])


def _without_formulas(texts: Any) -> Any:
    """Text of cells written as `="0042"`, a formula by which spreadsheets keep leading zeros."""
    texts = pc.replace_substring_regex(texts, r'^="([^"]*)"$', r"\1")
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _sliced(batch: Any, numbers: Int64Array, start: int, stop: int) -> Iterator[RowBatch]:
    for first in range(start, stop, ROWS_PER_BATCH):
        rows = min(ROWS_PER_BATCH, stop - first)
        yield RowBatch(batch.slice(first, rows), numbers[first : first + rows])


def _without_lines(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The text without its first `count` lines, which may hold anything."""
    rest = b""
    for piece in pieces:
        if not count:
            yield piece
            continue
        rest += piece
        lines = rest.splitlines(keepends=True)
        if len(lines) > count:
            yield b"".join(lines[count:])
            count = 0
