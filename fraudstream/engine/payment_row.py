"""One payment as explanations read it: every value is looked up once, and every value is put into words once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from fraudstream.contracts.payment import Payment
from fraudstream.engine.columns import Excerpt
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.expression import ColumnSource, Type
from fraudstream.engine.plain_text import plain, text_at


class RowColumns(ColumnSource, Protocol):
    """Columns of which single entries are asked for."""

    def value(self, name: str, row: int) -> float:
        """One entry of a column, as a Python number."""
        ...

    def currency(self, row: int) -> str:
        """Code of the currency that one payment's amounts are in."""
        ...


class _Values(dict[str, float]):
    """The values of one payment by name, looked up when they are first asked for."""

    def __init__(self, columns: RowColumns, row: int) -> None:
        self._columns, self._row = columns, row

    def __missing__(self, name: str) -> float:
        value = self[name] = self._columns.value(name, self._row)
        return value


class PaymentRow:
    """The `payment` at `row` of `columns`. Implements `expression.RowSource`.

    `texts`: what `text` has returned, by name; none is empty.
    """

    __slots__ = ("_columns", "_excerpt", "payment", "row", "texts", "values")

    def __init__(self, columns: RowColumns, row: int, payment: Payment) -> None:
        self._columns, self.row, self.payment = columns, row, payment
        self.values: Mapping[str, float] = _Values(columns, row)
        self.texts: dict[str, str] = {}
        self._excerpt: Excerpt | None = None

    @property
    def minor_per_major(self) -> float:
        """As `expression.RowSource`."""
        return self._columns.minor_per_major.item(self.row)

    @property
    def currency(self) -> str:
        """Code of the currency that its amounts and features are in: the base, if they were converted."""
        return self._columns.currency(self.row)

    @property
    def digest_key(self) -> DigestKey:
        """As `expression.RowSource`."""
        return self._columns.digest_key

    @property
    def columns(self) -> Excerpt:
        """As `expression.RowSource`."""
        if self._excerpt is None:
            self._excerpt = Excerpt(self._columns, np.array([self.row]))
        return self._excerpt

    def text(self, name: str, type_: Type) -> str:
        """The value of a field, an attribute or a feature of that type as plain text."""
        text = self.texts.get(name)
        if text is None:
            if type_ is Type.TEXT:
                text = text_at(self._columns, self.row, self.payment, name)
            else:
                text = plain(self.values[name], type_, self.currency)
            self.texts[name] = text
        return text
