"""Converts an Arrow record batch of a file to payments by a mapping, column by column, then one struct per row.

Every value is checked here against the contract, so that a fault names file, row and column.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.amount_columns import amount_texts, negative
from fraudstream.backtest.file_error import ColumnFault, PaymentFileError
from fraudstream.backtest.file_layout import FileLayout
from fraudstream.backtest.mapping import (
    ROW,
    AmountSource,
    AttributeSource,
    LabelSource,
    Mapping,
    TextSource,
    TimeSource,
    choices_of,
)
from fraudstream.backtest.null_words import ambiguity, ambiguous
from fraudstream.backtest.text_columns import FRACTIONAL, INEXACT, fractional, inexact, texts_of
from fraudstream.backtest.time_columns import Int64Array, event_times, first_not_number, first_true
from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.nearest_name import nearest
from fraudstream.contracts.payment import Payment

LABEL_FRAUD, LABEL_GENUINE, LABEL_NONE = 1, 0, -1

_LENGTHS = {"mcc": (4, 4), "country": (2, 2), "currency": (3, 3), "counterparty_bank": (1, 35)}
_RANGES = {"lat": 90.0, "lon": 180.0}


class PaymentBatch(NamedTuple):
    """n payments in the order read. `occurred_at_ms`: event times, ms since the epoch, UTC; int64 (n,).

    `labels`: int8 (n,), 1 fraud, 0 genuine, -1 unlabelled. `rows`: row numbers in the file from 1, int64 (n,).
    """

    payments: list[Payment]
    occurred_at_ms: Int64Array
    labels: npt.NDArray[np.int8]
    rows: Int64Array


class PaymentColumns:
    """Converts record batches of one file to payments. `path` names the file in errors. `rows_before`: number of rows
    in the files before it, which count in `{row}`."""

    def __init__(self, mapping: Mapping, path: str, rows_before: int = 0) -> None:
        self._mapping = mapping
        self._path = path
        self._rows_before = rows_before

    def occurred_at_ms(self, batch: Any, rows: Int64Array) -> Int64Array:
        """Event times of the batch, ms since the epoch, UTC; int64, shape (n,). Raises `PaymentFileError`."""
        return _Rows(batch, rows, self._path, self._rows_before, self._mapping.file).times(
            self._mapping.payment.occurred_at
        )

    def convert(self, batch: Any, rows: Int64Array) -> PaymentBatch:
        """The payments of an Arrow record batch. `rows`: its row numbers. Raises `PaymentFileError`."""
        reader = _Rows(batch, rows, self._path, self._rows_before, self._mapping.file)
        sources = self._mapping.payment
        times = reader.times(sources.occurred_at)
        currencies = reader.text("currency", sources.currency, required=True)
        columns: list[Iterable[Any]] = []
        for field in Payment.__struct_fields__:
            source = getattr(sources, field, None)
            if field == "occurred_at":
                columns.append(times.tolist())
            elif field == "schema_version":
                columns.append(repeat(1))
            elif source is None:
                columns.append(repeat(None))
            elif field == "currency":
                columns.append(_values(currencies))
            elif isinstance(source, AmountSource):
                columns.append(reader.amounts(field, source, currencies, required=field == "amount"))
            elif field in _RANGES:
                columns.append(reader.coordinates(field, source))
            elif field == "card_present":
                columns.append(reader.flags(source))
            elif field == "attributes":
                columns.append(reader.attributes(source))
            else:
                required = field in ("event_id", "account_id", "direction")
                columns.append(_values(reader.text(field, source, required)))
        payments = list(map(Payment, *columns))  # half a microsecond each; the list of times ends the map
        return PaymentBatch(payments, times, reader.labels(self._mapping.label), rows)


class _Rows:
    """Reads the columns of one batch as payment fields; raises faults with the row number."""

    def __init__(self, batch: Any, rows: Int64Array, path: str, rows_before: int, layout: FileLayout) -> None:
        self.n = batch.num_rows
        self._batch = batch
        self._rows = rows
        self._path = path
        self._rows_before = rows_before
        self._layout = layout

    def _fault(self, index: int, column: str | None, sentence: str) -> PaymentFileError:
        return PaymentFileError(self._path, sentence, int(self._rows[index]), column)

    def _column(self, name: str) -> Any:
        array = self._batch.column(name)
        return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array

    def _strings(self, name: str) -> Any:
        """The column as text: whole floats without a decimal point, empty text as null."""
        if name == ROW:
            return pa.array(self._rows + self._rows_before).cast(pa.string())
        array = self._column(name)
        try:
            texts = texts_of(array)
        except ValueError as error:
            raise self._fault(0, name, str(error)) from error
        if pc.any(wrong := inexact(array)).as_py():
            index = first_true(wrong)
            raise self._fault(index, name, INEXACT.format(value=array[index], type=array.type))
        return texts

    def _check_id(self, field: str, source: TextSource, texts: Any) -> None:
        """Refuse values of an id's columns that are numbers with decimals, or may mean that the id is missing."""
        for name in source.columns:
            array = self._column(name)
            if source.column is not None and pc.any(wrong := fractional(array)).as_py():
                index = first_true(wrong)
                raise self._fault(index, name, FRACTIONAL.format(value=array[index], field=field))
            words = self._strings(name) if source.column is None else texts
            if source.values is None and pc.any(wrong := ambiguous(words, name, self._layout)).as_py():
                index = first_true(wrong)
                raise self._fault(index, name, ambiguity(words[index].as_py(), name))

    def _template(self, template: str) -> Any:
        parts: list[Any] = []
        for literal, name, _, _ in string.Formatter().parse(template):
            parts += [pa.scalar(literal)] if literal else []
            parts += [self._strings(name)] if name is not None else []
        return pc.binary_join_element_wise(*parts, "")

    def _source(self, source: TextSource | TimeSource | AttributeSource) -> Any:
        return self._strings(source.column) if source.column is not None else self._template(source.template or "")

    def text(self, field: str, source: TextSource, required: bool = False) -> Any:
        """The field as Arrow strings, or as the constant itself."""
        if source.constant is not None:
            return source.constant
        name = source.columns[0] if source.columns else None
        if source.sign is not None:
            below = negative(self._column(source.column or ""))
            texts = pc.if_else(pa.array(below), source.sign.negative, source.sign.positive)
        else:
            texts = self._source(source)
            if not choices_of(field) and field != "currency":
                self._check_id(field, source, texts)
        if source.values is not None:
            texts = self._mapped(texts, source, name)
        if source.starting_with is not None:
            texts = pc.if_else(pc.starts_with(texts, source.starting_with), texts, None)
        if source.pad:
            texts = pc.utf8_lpad(texts, source.pad, "0")
        if required and texts.null_count:
            raise self._fault(first_true(texts.is_null()), name, f"is empty, but {field} is required.")
        self._check(field, texts, name)
        return texts

    def _mapped(self, texts: Any, source: TextSource, name: str | None) -> Any:
        assert source.values is not None
        known = list(source.values)
        found = pc.index_in(texts, value_set=pa.array(known, pa.string()))
        unknown = pc.and_(found.is_null(), texts.is_valid())
        if source.otherwise is None and pc.any(unknown).as_py():
            index = first_true(unknown)
            value = texts[index].as_py()
            raise self._fault(index, name, f"{value!r} is not among the mapping's values.{nearest(value, known)}")
        meanings = pa.array([meaning or None for meaning in source.values.values()], pa.string())
        return pc.if_else(unknown, pa.scalar(source.otherwise or None, pa.string()), meanings.take(found))

    def _check(self, field: str, texts: Any, name: str | None) -> None:
        choices = choices_of(field) or (tuple(EXPONENTS) if field == "currency" else ())
        if choices:
            wrong = pc.and_(pc.invert(pc.is_in(texts, value_set=pa.array(choices))), texts.is_valid())
            if pc.any(wrong).as_py():
                index = first_true(wrong)
                raise self._fault(
                    index, name, f"{texts[index].as_py()!r} is not a valid {field}; expected {_listed(choices)}."
                )
            return
        shortest, longest = _LENGTHS.get(field, (1, 128))
        lengths = pc.utf8_length(texts)
        wrong = pc.or_(pc.less(lengths, shortest), pc.greater(lengths, longest)).fill_null(False)
        if pc.any(wrong).as_py():
            index = first_true(wrong)
            expected = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
            raise self._fault(
                index, name, f"{texts[index].as_py()[:40]!r} has {lengths[index]} characters; {field} has {expected}."
            )

    def times(self, source: TimeSource) -> Int64Array:
        array = self._column(source.column) if source.column is not None else self._template(source.template or "")
        try:
            return event_times(array, source)
        except ColumnFault as fault:
            raise self._fault(fault.index, source.columns[0], fault.sentence) from fault

    def amounts(self, field: str, source: AmountSource, currencies: Any, required: bool) -> list[str | None]:
        if source.column is None:
            return [source.constant] * self.n
        array = self._column(source.column)
        if isinstance(currencies, str):
            groups = [(currencies, np.arange(self.n))]
        else:
            codes = currencies.to_numpy(zero_copy_only=False)
            groups = [(code, np.flatnonzero(codes == code)) for code in pc.unique(currencies).to_pylist()]
        result = np.full(self.n, None, object)
        for code, indices in groups:
            part = array if len(groups) == 1 else array.take(pa.array(indices))
            try:
                result[indices] = amount_texts(part, source, EXPONENTS[code], code).to_pylist()
            except ColumnFault as fault:
                raise self._fault(int(indices[fault.index]), source.column, fault.sentence) from fault
        if required and None in (values := result.tolist()):
            raise self._fault(values.index(None), source.column, f"is empty, but {field} is required.")
        return result.tolist()  # type: ignore[no-any-return]

    def _numbers(self, field: str, source: TextSource | AttributeSource) -> Any:
        if source.constant is not None:
            return pa.array([float(source.constant)] * self.n)
        texts = self._source(source)
        try:
            numbers = (self._column(source.column) if source.column is not None else texts).cast(pa.float64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            try:
                numbers = texts.cast(pa.float64())
            except pa.ArrowInvalid as error:
                index = first_not_number(texts)
                raise self._fault(
                    index, source.columns[0], f"{texts[index].as_py()!r} is not a number, which {field} requires."
                ) from error
        finite = pc.is_finite(numbers).fill_null(False)
        return pc.if_else(finite, numbers, None)

    def coordinates(self, field: str, source: TextSource) -> list[float | None]:
        numbers = self._numbers(field, source)
        wrong = pc.greater(pc.abs(numbers), _RANGES[field]).fill_null(False)
        if pc.any(wrong).as_py():
            index = first_true(wrong)
            raise self._fault(index, source.column, f"{numbers[index].as_py()} is outside ±{_RANGES[field]:g} degrees.")
        return numbers.to_pylist()  # type: ignore[no-any-return]

    def flags(self, source: TextSource) -> Iterable[bool | None]:
        texts = self.text("card_present", source)
        if isinstance(texts, str):
            return repeat(texts == "true")
        return pc.equal(texts, "true").to_pylist()  # type: ignore[no-any-return]

    def attributes(self, sources: dict[str, AttributeSource]) -> list[dict[str, Any] | None]:
        columns = [list(self._attribute(name, source)) for name, source in sources.items()]
        names = tuple(sources)
        rows = zip(*columns, strict=True)
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None} or None for row in rows
        ]

    def _attribute(self, name: str, source: AttributeSource) -> Iterable[Any]:
        if source.type == "number":
            return self._numbers(name, source).to_pylist()  # type: ignore[no-any-return]
        texts = pa.array([source.constant] * self.n) if source.constant is not None else self._source(source)
        if source.type == "text":
            return _values(texts)
        yes = pc.is_in(texts, value_set=pa.array(["1", "true", "True", "yes", "Yes"]))
        no = pc.is_in(texts, value_set=pa.array(["0", "false", "False", "no", "No"]))
        wrong = pc.and_(pc.invert(pc.or_(yes, no)), texts.is_valid())
        if pc.any(wrong).as_py():
            index = first_true(wrong)
            raise self._fault(index, source.columns[0], f"{texts[index].as_py()!r} is neither true nor false.")
        return pc.if_else(texts.is_valid(), yes, None).to_pylist()  # type: ignore[no-any-return]

    def labels(self, source: LabelSource | None) -> npt.NDArray[np.int8]:
        labels = np.full(self.n, LABEL_NONE, np.int8)
        if source is None:
            return labels
        texts = self._strings(source.column)
        if pa.types.is_boolean(self._column(source.column).type):
            texts = pc.if_else(pc.equal(texts, "true"), "1", "0")
        known = texts.is_null()
        for values, label in (
            (source.fraud, LABEL_FRAUD),
            (source.genuine, LABEL_GENUINE),
            (source.unlabelled, LABEL_NONE),
        ):
            chosen = pc.is_in(texts, value_set=pa.array(values, pa.string()))
            labels[chosen.to_numpy(zero_copy_only=False)] = label
            known = pc.or_(known, chosen)
        if not pc.all(known).as_py():
            index = first_true(pc.invert(known))
            expected = _listed((*source.fraud, *source.genuine, *source.unlabelled))
            raise self._fault(
                index, source.column, f"{texts[index].as_py()!r} is not a label of the mapping; expected {expected}."
            )
        return labels


def _values(texts: Any) -> Iterable[Any]:
    return repeat(texts) if isinstance(texts, str) else texts.to_pylist()


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(values) if len(values) <= 12 else ", ".join(values[:3]) + ", …"
