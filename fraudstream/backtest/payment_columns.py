"""Converts an Arrow record batch of a file to payments by a mapping, column by column, then one struct per row.

Every payment is held to the contract of the topic, so a fault names file, row and column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from itertools import compress, repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fraudstream.backtest.amount_fields import AmountFields
from fraudstream.backtest.amount_review import AmountReview
from fraudstream.backtest.cells import Cells
from fraudstream.backtest.file_error import PaymentFileError, RowUnit
from fraudstream.backtest.label_times import label_times
from fraudstream.backtest.mapping import Mapping
from fraudstream.backtest.mapping_check import CHOICES
from fraudstream.backtest.row_conditions import meet_all
from fraudstream.backtest.row_faults import ColumnError, Int64Array, RowFault, RowFaults
from fraudstream.backtest.row_report import BadRow, BadRowError, RowReport
from fraudstream.backtest.sources import AmountSource, Source, TextSource, TimeSource
from fraudstream.backtest.text_fields import TextFields, upper_hint
from fraudstream.backtest.time_columns import event_times
from fraudstream.contracts.country import COUNTRIES
from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.payment import Payment
from fraudstream.engine.contract_check import contract_faults

__all__ = ["PaymentBatch", "PaymentColumns"]

_CHECKED_AT_ONCE = 1_024  # the JSON of so many payments stays in the processor's cache
_BLANKS = (
    "Ids in {column!r} have blanks around them, which make them other ids than those without. To remove the blanks, "
    "set `trim: true`."
)
_REQUIRED = ("event_id", "account_id", "currency", "direction")


class PaymentBatch(NamedTuple):
    """n payments in the order read. `occurred_at_ms`: event times, ms since the epoch, UTC; int64 (n,).

    `labels`: int8 (n,), 1 fraud, 0 genuine, -1 unlabelled. `rows`: row numbers in the file from 1, int64 (n,).
    `labelled_at_ms`: as of `LabelledPayments`.
    """

    payments: list[Payment]
    occurred_at_ms: Int64Array
    labels: npt.NDArray[np.int8]
    rows: Int64Array
    labelled_at_ms: Int64Array | None = None


class PaymentColumns:
    """Converts record batches of one file to payments. `path` names the file in errors. `rows_before`: number of rows
    in the files before it, which count in `{row}`. `report` receives the rows that give no payment. `unit`: what
    row numbers count. `review`: of the amounts of all files that are read as one. `typologies` receives the kind of
    each fraud by its event_id, where the file has a column for it.
    """

    def __init__(
        self,
        mapping: Mapping,
        path: str,
        rows_before: int = 0,
        report: RowReport | None = None,
        unit: RowUnit = "row",
        review: AmountReview | None = None,
        typologies: MutableMapping[str, str] | None = None,
    ) -> None:
        self._mapping = mapping
        self._path = path
        self._rows_before = rows_before
        self._report = report or RowReport()
        self._unit = unit
        self._review = review or AmountReview()
        self._typologies = {} if typologies is None else typologies

    def occurred_at_ms(self, batch: Any, rows: Int64Array) -> Int64Array:
        """Event times of the batch to sort it by, ms since the epoch, UTC; int64, shape (n,).

        0 for rows without a time: `convert` says what is wrong with them.
        """
        cells = Cells(batch, rows, self._rows_before)
        with _located(self._path):
            return _times(cells, self._mapping.payment.occurred_at, RowFaults(cells.n))

    def convert(self, batch: Any, rows: Int64Array) -> PaymentBatch:
        """The payments of an Arrow record batch: of the rows that `where` chooses, without bad rows if those are to be
        skipped. `rows`: its row numbers. Raises `PaymentFileError`, `BadRowError` if bad rows are not to be skipped."""
        with _located(self._path):
            batch, rows = self._chosen(batch, rows)
            if not len(rows):
                return PaymentBatch([], np.zeros(0, np.int64), np.zeros(0, np.int8), rows)
            cells, faults = Cells(batch, rows, self._rows_before), RowFaults(batch.num_rows)
            payments, times = self._payments(cells, faults)
            labels = TextFields(cells, faults, self._mapping.file).labels(self._mapping.label)
            labelled_at = label_times(cells, self._mapping.label, times, faults)
            self._note_typologies(cells, payments, labels)
        good = faults.good
        if good.all():
            return PaymentBatch(payments, times, labels, rows, labelled_at)
        self._skip(faults, cells)
        kept = list(compress(payments, good.tolist()))
        return PaymentBatch(
            kept, times[good], labels[good], rows[good], None if labelled_at is None else labelled_at[good]
        )

    def _note_typologies(self, cells: Cells, payments: list[Payment], labels: npt.NDArray[np.int8]) -> None:
        """Keep the kinds of the frauds: few payments are one."""
        column = None if self._mapping.label is None else self._mapping.label.typology
        frauds = np.flatnonzero(labels == 1)
        if column is None or not len(frauds) or not cells.has(column):
            return
        named = cells.texts(column, RowFaults(cells.n)).take(pa.array(frauds)).to_pylist()
        for row, typology in zip(frauds.tolist(), named, strict=True):
            if typology is not None:
                self._typologies[payments[row].event_id] = typology

    def _chosen(self, batch: Any, rows: Int64Array) -> tuple[Any, Int64Array]:
        """The rows of the batch that `where` chooses; the others are counted."""
        if not self._mapping.conditions:
            return batch, rows
        met = meet_all(Cells(batch, rows, self._rows_before), self._mapping.conditions)
        self._report.excluded += int((~met).sum())
        return batch.filter(pa.array(met)), rows[met]

    def _payments(self, cells: Cells, faults: RowFaults) -> tuple[list[Payment], Int64Array]:
        """A payment of each row, and event times. Rows in `faults` have no valid payment."""
        fields = _Fields(self._mapping, cells, faults)
        columns = [fields.column(name) for name in Payment.__struct_fields__]
        payments = list(map(Payment, *columns))  # half a microsecond each; the list of times ends the map
        self._hold_to_contract(payments, faults)
        for column in sorted(fields.blanks):
            self._report.notice(_BLANKS.format(column=column))
        self._review.look_at(fields.money, self._mapping.payment, self._path, self._report)
        return payments, fields.times

    def _hold_to_contract(self, payments: list[Payment], faults: RowFaults) -> None:
        """Add what a topic would refuse, of the rows that have no fault yet."""
        good = np.flatnonzero(faults.good).tolist()
        for start in range(0, len(good), _CHECKED_AT_ONCE):
            rows = good[start : start + _CHECKED_AT_ONCE]
            for refused in contract_faults([payments[row] for row in rows]):
                row, field = rows[refused.position], refused.path.removeprefix("$.")
                sentence = refused.sentence + _hint(field, payments[row])
                faults.add(RowFault(row, self._column_of(field), refused.reason, sentence))

    def _column_of(self, field: str) -> str | None:
        """The column that a field of a payment is read from; None for a constant."""
        source = dict(self._mapping.sources()).get(field)
        return None if source is None else _column(source)

    def _skip(self, faults: RowFaults, cells: Cells) -> None:
        """Report bad rows, or raise the first of them."""
        for fault in faults.found:
            row = int(cells.rows[fault.at])
            if self._mapping.on_bad_row == "stop":
                raise BadRowError(self._path, fault.sentence, row, fault.column, self._unit)
            bad = BadRow(self._path, row, fault.column, fault.reason, fault.sentence, cells.row(fault.at), self._unit)
            self._report.skip(bad)


class _Fields:
    """The fields of the payments of one batch as columns of Python values."""

    def __init__(self, mapping: Mapping, cells: Cells, faults: RowFaults) -> None:
        self._sources = mapping.payment
        self._texts = TextFields(cells, faults, mapping.file)
        self.times = _times(cells, self._sources.occurred_at, faults)
        self._currencies = self._texts.text("currency", self._sources.currency, required=True)
        column = _column(self._sources.currency)
        self._texts.choices("currency", self._currencies, column, tuple(EXPONENTS))
        amounts = [source for _, source in mapping.sources() if isinstance(source, AmountSource)]
        self.money = AmountFields(cells, faults, self._currencies, amounts)

    @property
    def blanks(self) -> set[str]:
        """Columns of which ids have blanks around them."""
        return self._texts.blanks

    def column(self, field: str) -> Iterable[Any]:
        """The values of a field, one of each row or without end; None where missing or faulty."""
        source: Any = getattr(self._sources, field, None)
        if field == "occurred_at":
            return list(self.times.tolist())
        if field == "schema_version":
            return repeat(1)
        if field == "direction" and source is None:
            return self.money.debits_and_credits(self._sources.amount)[1]
        if source is None:
            return repeat(None)
        if isinstance(source, TextSource):
            return self._text(field, source)
        if isinstance(source, AmountSource):
            if source.gives_direction:
                return self.money.debits_and_credits(source)[0]
            return self.money.amounts(field, source, required=field == "amount")
        return self._texts.attributes(source)

    def _text(self, field: str, source: TextSource) -> Iterable[Any]:
        if field in ("lat", "lon"):
            return self._texts.numbers(field, source)
        if field == "card_present":
            return self._texts.flags(source)
        column = _column(source)
        if field == "currency":
            texts = self._currencies
        elif source.sign is not None:
            texts = self.money.by_sign(source.column or "", source.sign)
            if field in _REQUIRED:
                self._texts.require(field, texts, column)
        else:
            texts = self._texts.text(field, source, required=field in _REQUIRED)
        if field in CHOICES:
            self._texts.choices(field, texts, column, CHOICES[field])
        return repeat(texts) if isinstance(texts, str) else list(texts.to_pylist())


def _hint(field: str, payment: Payment) -> str:
    """The option of a mapping that makes a refused value valid; '' if there is none."""
    if field == "country":
        return upper_hint(payment.country, COUNTRIES)
    mcc = payment.mcc if field == "mcc" else None
    lost_zeros = mcc is not None and len(mcc) == 3 and mcc.isascii() and mcc.isdigit()
    return f" Set `pad: 4` to read it as 0{mcc}." if lost_zeros else ""


def _times(cells: Cells, source: TimeSource, faults: RowFaults) -> Int64Array:
    return event_times(cells.typed_source(source, faults), source, faults.column(_column(source), "occurred_at"))


def _column(source: Source) -> str | None:
    """The first column that a source reads, for messages."""
    return source.columns[0] if source.columns else None


@contextmanager
def _located(path: str) -> Iterator[None]:
    """Says in which file a column has a type that does not fit."""
    try:
        yield
    except ColumnError as error:
        raise PaymentFileError(path, error.sentence, None, error.column) from error
