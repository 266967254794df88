"""One payment as explanations read it: every value is looked up once, and every value is put into words once."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fraudstream.contracts.payment import Payment
from fraudstream.engine.columns import Excerpt
from fraudstream.engine.expression import ColumnSource, Type
from fraudstream.engine.plain_text import plain, text_at


class RowColumns(ColumnSource, Protocol):
    """Columns of which single entries are asked for."""

    def value(self, name: str, row: int) -> float:
        """One entry of a column, as a Python number."""
        ...


class PaymentRow:
    """The `payment` at `row` of `columns`. Implements `expression.RowSource`."""

    __slots__ = ("_columns", "_excerpt", "_texts", "_values", "payment", "row")

    def __init__(self, columns: RowColumns, row: int, payment: Payment) -> None:
        self._columns, self.row, self.payment = columns, row, payment
        self._values: dict[str, float] = {}
        self._texts: dict[str, str] = {}
        self._excerpt: Excerpt | None = None

    @property
    def minor_per_major(self) -> float:
        """As `expression.RowSource`."""
        return self._columns.minor_per_major.item(self.row)

    @property
    def columns(self) -> Excerpt:
        """As `expression.RowSource`."""
        if self._excerpt is None:
            self._excerpt = Excerpt(self._columns, np.array([self.row]))
        return self._excerpt

    def value(self, name: str) -> float:
        """As `expression.RowSource`."""
        value = self._values.get(name)
        if value is None:
            value = self._values[name] = self._columns.value(name, self.row)
        return value

    def text(self, name: str, type_: Type) -> str:
        """The value of a field, an attribute or a feature of that type as plain text."""
        text = self._texts.get(name)
        if text is None:
            if type_ is Type.TEXT:
                text = text_at(self._columns, self.row, self.payment, name)
            else:
                text = plain(self.value(name), type_, self.payment.currency)
            self._texts[name] = text
        return text
