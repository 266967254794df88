"""The amounts of the payments of a batch, their directions, and other fields that follow the sign of an amount."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.amount_columns import amounts_of_column, decimal_texts, minor_units, negative
from fraudstream.backtest.amount_notation import without_symbols
from fraudstream.backtest.cells import Cells
from fraudstream.backtest.row_faults import ColumnFaults, Int64Array, RowFaults, as_mask
from fraudstream.backtest.sources import AmountSource, Sign
from fraudstream.contracts.currency import EXPONENTS


class AmountFields:
    """Reads amounts from `cells`; rows with a fault get null and a line in `faults`.

    `currencies`: the currency of each row, Arrow strings, or one for all. `sources`: every amount source of the
    mapping, so that a sign is read as its amount is.
    """

    def __init__(self, cells: Cells, faults: RowFaults, currencies: Any, sources: list[AmountSource]) -> None:
        self._cells, self._faults, self._sources = cells, faults, sources
        self._groups: list[tuple[str, Int64Array]]
        if isinstance(currencies, str):
            self._groups = [(currencies, np.arange(cells.n))]
        else:
            codes = currencies.to_numpy(zero_copy_only=False)
            known = [code for code in pc.unique(currencies).to_pylist() if code in EXPONENTS]
            self._groups = [(code, np.flatnonzero(codes == code)) for code in known]
        self._read: dict[str, Any] = {}

    def amounts(self, field: str, source: AmountSource, required: bool) -> list[str | None]:
        """The field as decimal strings, None where missing or faulty. `source` names no debit and credit column."""
        faults = self._faults.column(source.columns[0] if source.columns else None, "amount")
        numbers = self._numbers(source)
        if required:
            faults.add(self._empty(source), lambda index: f"is empty, but {field} is required.")
        return _listed(self._texts(numbers, source, faults, signed=field != "amount"))

    def debits_and_credits(self, source: AmountSource) -> tuple[list[str | None], list[str | None]]:
        """Amounts as decimal strings and directions, from a debit and a credit column of which a row fills one."""
        sides = {}
        for direction, name in (("debit", source.debit_column), ("credit", source.credit_column)):
            side = msgspec.structs.replace(source, column=name, debit_column=None, credit_column=None)
            numbers = self._numbers(side)
            nothing = pc.equal(numbers, pa.scalar(0).cast(numbers.type))
            sides[direction] = (side, numbers, as_mask(numbers.is_valid()), as_mask(nothing))
        (debit, debits, has_debit, zero_debit), (credit, credits, has_credit, zero_credit) = sides.values()
        both = has_debit & has_credit & (zero_debit == zero_credit)
        neither = as_mask(self._empty(debit)) & as_mask(self._empty(credit))
        pair = f"{source.debit_column!r} and {source.credit_column!r}"
        faults = self._faults.column(source.debit_column, "amount")
        faults.add(both, lambda index: f"{pair} both have an amount; one payment has one.")
        faults.add(neither, lambda index: f"{pair} are both empty, but amount is required.")
        is_credit = has_credit & (~has_debit | zero_debit)
        debit_texts = self._texts(debits, debit, faults)
        credit_texts = self._texts(credits, credit, self._faults.column(source.credit_column, "amount"))
        directions = np.where(is_credit, "credit", "debit").tolist()
        return np.where(is_credit, credit_texts, debit_texts).tolist(), directions

    def by_sign(self, column: str, sign: Sign) -> Any:
        """The value for the sign of a column, as Arrow strings, null where the column is empty or faulty."""
        known = next((s for s in self._sources if column in s.columns and s.template is None), AmountSource())
        source = msgspec.structs.replace(known, column=column, debit_column=None, credit_column=None)
        return pc.if_else(negative(self._numbers(source)), sign.negative, sign.positive)

    def lost_signs(self, source: AmountSource) -> dict[str, tuple[bool, bool]]:
        """Of each column that is read without its sign: whether it has amounts below zero, and others than zero."""
        if not source.absolute or source.template is not None:
            return {}
        found = {}
        for name in source.columns:
            side = msgspec.structs.replace(source, column=name, debit_column=None, credit_column=None)
            numbers = self._numbers(side)
            below = negative(numbers)
            above = pc.greater(numbers, pa.scalar(0).cast(numbers.type))
            found[name] = bool(pc.any(below).as_py()), bool(pc.any(above).as_py())
        return found

    @property
    def decimals(self) -> dict[str, int]:
        """The number of decimals of each currency of the rows."""
        return {currency: EXPONENTS[currency] for currency, _ in self._groups}

    def written_whole(self, source: AmountSource) -> bool | None:
        """Whether the amounts are whole numbers and no `scale` is declared; None if that cannot be told."""
        if source.scale is not None or source.template is not None:
            return None
        known = [
            whole for name in source.columns if (whole := written_whole(self._cells.column(name), source)) is not None
        ]
        return all(known) if known else None

    def _values(self, source: AmountSource) -> Any:
        return self._cells.typed_source(source, self._faults)

    def _empty(self, source: AmountSource) -> Any:
        """Which values are empty; a faulty one is not. Arrow booleans."""
        values = self._values(source)
        return values.is_null(nan_is_null=True)

    def _numbers(self, source: AmountSource) -> Any:
        """The amounts as numbers, as of `amounts_of_column`; each source is read once."""
        key = repr(source)
        if key not in self._read:
            column = source.columns[0] if source.columns else None
            faults = self._faults.column(column, "amount")
            self._read[key] = amounts_of_column(self._values(source), source, faults)
        return self._read[key]

    def _texts(
        self, numbers: Any, source: AmountSource, faults: ColumnFaults, signed: bool = False
    ) -> npt.NDArray[np.object_]:
        """Decimal strings, None where missing or faulty; shape (n,). `signed`: whether they may be negative."""
        texts = np.full(self._cells.n, None, object)
        written = self._values(source)
        for currency, rows in self._groups:
            chosen, exponent = pa.array(rows), EXPONENTS[currency]
            part = numbers if len(rows) == self._cells.n else numbers.take(chosen)
            group_faults = faults.within(rows)
            if source.template is not None:
                _check_decimals(written.take(chosen), source, exponent, currency, group_faults)
            elif pa.types.is_string(written.type):
                part = _without_ambiguous(part, written.take(chosen), source, currency, group_faults)
            minor = minor_units(part, source, exponent, currency, group_faults, signed)
            texts[rows] = decimal_texts(minor, exponent).to_pylist()
        return texts


def written_whole(column: Any, source: AmountSource) -> bool | None:
    """Whether no amount of a column has decimals, as in a file of minor units; None without any amount."""
    if column.null_count == len(column):
        return None
    if pa.types.is_string(column.type):
        decimals = rf"{re.escape(source.decimal_separator)}|\d[eE]"
        return not pc.any(pc.match_substring_regex(without_symbols(column, source), decimals)).as_py()
    if pa.types.is_floating(column.type):
        return pc.all(pc.equal(pc.floor(column), column)).as_py()  # type: ignore[no-any-return]
    return bool(pa.types.is_integer(column.type))


def _check_decimals(texts: Any, source: AmountSource, exponent: int, currency: str, faults: ColumnFaults) -> None:
    """Amounts put together from columns must have all decimals: 5 cents after a point would be read as 50."""
    point = re.escape(source.decimal_separator)
    wrong = pc.match_substring_regex(texts, rf"{point}\d*$")
    exact = pc.match_substring_regex(texts, rf"{point}\d{{{exponent}}}$")
    faults.add(
        pc.and_(wrong, pc.invert(exact)),
        lambda i: (
            f"{texts[i].as_py()!r} does not have the {exponent} decimals of {currency}; "
            f"pad the column in the template, as {{cents:0{exponent}}} does."
        ),
    )


def _without_ambiguous(numbers: Any, texts: Any, source: AmountSource, currency: str, faults: ColumnFaults) -> Any:
    """The amounts without those like 1.250, of a currency with other than three decimals: 1250 in many countries."""
    if source.decimal is not None or source.grouping or source.round or EXPONENTS[currency] == 3:
        return numbers
    wrong = pc.match_substring_regex(without_symbols(texts, source), r"^[^\d.,]*[1-9]\d{0,2}\.\d{3}[^\d.,]*$")
    decimals = EXPONENTS[currency]
    faults.add(
        wrong,
        lambda i: (
            f"{texts[i].as_py()!r} has three decimals, and {currency} has {decimals}. If '.' separates thousands, set "
            "`decimal: ','` and `thousands: '.'`; if it separates decimals, set `decimal: '.'`."
        ),
    )
    return pc.if_else(wrong.fill_null(False), None, numbers)


def _listed(texts: npt.NDArray[np.object_]) -> list[str | None]:
    found: list[str | None] = texts.tolist()
    return found
