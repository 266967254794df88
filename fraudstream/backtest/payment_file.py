"""Files of payments read by a mapping, as batches of payments in order of event time.

Several files are read as one that joins them, in the order given; each has row numbers of its own in errors. Memory is
bounded, except when sorting, which loads the mapped columns of all files.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Sequence
from pathlib import Path

from fraudstream.backtest.amount_review import AmountReview
from fraudstream.backtest.column_names import find_columns
from fraudstream.backtest.file_error import PaymentFileError, RowUnit
from fraudstream.backtest.mapping import Mapping
from fraudstream.backtest.null_words import without_null_words
from fraudstream.backtest.payment_columns import PaymentBatch, PaymentColumns
from fraudstream.backtest.readers.csv_records import RecordError
from fraudstream.backtest.readers.formats import open_table
from fraudstream.backtest.readers.layout_hint import layout_hint
from fraudstream.backtest.readers.message_table import MessageTable
from fraudstream.backtest.readers.table import OnBadRow, RowBatch, Table
from fraudstream.backtest.row_report import RowReport
from fraudstream.backtest.time_order import in_time_order, sorted_by_time
from fraudstream.backtest.told import NOTHING_TOLD
from fraudstream.formats.catalogue import NO_SERVICES, FormatServices


class PaymentFile:
    """One file of payments read by a mapping. `rows`: number of rows, None if unknown before it is read. `report`
    receives the rows that give no payment. `unit`: what row numbers count. `typologies`: the kind of each fraud read so
    far by its event_id, if the file has the column.

    Raises `PaymentFileError` if the file can't be read or lacks a mapped column.
    """

    def __init__(
        self,
        path: Path,
        mapping: Mapping,
        report: RowReport | None = None,
        services: FormatServices = NO_SERVICES,
    ) -> None:
        """`services`: for formats of messages."""
        self.path = path
        self.mapping = mapping
        self.report = report or RowReport()
        self._services = services
        self._table = self._opened(self.report.handler(mapping.on_bad_row))
        self.rows: int | None = self._table.row_count
        self.unit: RowUnit = self._table.unit
        self.typologies: dict[str, str] = {}
        self._positions = {name: index for index, name in enumerate(mapping.columns)}
        if self._table.names is not None:
            found = find_columns(mapping.columns, self._table.names, mapping.name)
            if found.fault is not None:
                raise PaymentFileError(str(path), found.fault + layout_hint(path, mapping.columns, mapping.file))
            self._positions = found.positions | self._typology_position(self._table.names)

    def _typology_position(self, names: Sequence[str]) -> dict[str, int]:
        column = None if self.mapping.label is None else self.mapping.label.typology
        if column is None or column in self.mapping.columns:
            return {}
        return find_columns([column], names, self.mapping.name).positions

    def _opened(self, on_bad_row: OnBadRow) -> Table:
        if self.mapping.message is not None:
            return MessageTable(
                self.path,
                self.mapping.message,
                self.mapping.columns,
                on_bad_row,
                self._services,
                self.mapping.conditions,
            )
        try:
            return open_table(self.path, self.mapping.file, on_bad_row)
        except PaymentFileError as error:
            if not isinstance(error.__cause__, RecordError):
                raise
            hint = layout_hint(self.path, self.mapping.columns, self.mapping.file)
            raise PaymentFileError(error.path, error.sentence + hint, error.row) from error

    def batches(self, sort: bool = False) -> Iterator[PaymentBatch]:
        """The payments in order of event time. `sort`: sort the file first.

        Raises `PaymentFileError` for the first invalid row, or the first row out of order if `sort` is False.
        """
        return PaymentFiles([self]).batches(sort)

    def columns(self, rows_before: int, review: AmountReview) -> PaymentColumns:
        """What converts the file's columns to payments. `rows_before`: number of rows in the files before this one;
        `review`: of the amounts of all files."""
        return PaymentColumns(
            self.mapping, str(self.path), rows_before, self.report, self.unit, review, self.typologies
        )

    def row_batches(self) -> Iterator[RowBatch]:
        """The mapped columns of all rows. Raises `PaymentFileError`."""
        layout = self.mapping.file
        for batch, rows in self._table.batches(self._positions):
            if layout.null_values:
                for index, name in enumerate(batch.schema.names):
                    array = without_null_words(batch.column(index), layout.null_words(name))
                    batch = batch.set_column(index, name, array)
            yield RowBatch(batch, rows)


class PaymentFiles:
    """Files of payments as one. `rows`: number of their rows, None if unknown before they are read. `typologies`: as of
    `PaymentFile`, of all files. `label_sources`: as of `TopicFiles`; a column of labels names none."""

    label_sources = NOTHING_TOLD

    def __init__(self, files: Sequence[PaymentFile]) -> None:
        self._files = files
        counts = [file.rows for file in files]
        self.rows: int | None = None if None in counts else sum(count or 0 for count in counts)
        self.paths = [file.path for file in files]
        self.typologies = ChainMap(*(file.typologies for file in files))

    def batches(self, sort: bool = False) -> Iterator[PaymentBatch]:
        """The payments of all files in order of event time. `sort`: sort them first.

        Raises `PaymentFileError` for the first invalid row, unless those are skipped, for the first out of order if
        `sort` is False, and if no file has a row.
        """
        found = False
        for batch in sorted_by_time(self._files) if sort else in_time_order(self._files):
            found = True
            yield batch
        if found or any(file.report.skipped for file in self._files):
            return
        if any(file.report.excluded for file in self._files):
            self._files[0].report.notice(
                "No row meets `where` of the mapping, so there are no payments. Check its words."
            )
        else:
            names = ", ".join(str(path) for path in self.paths)
            raise PaymentFileError(names, "holds no payments: there are no rows after the header.")
