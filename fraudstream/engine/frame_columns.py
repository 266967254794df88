"""The columns of a frame by name, for what is not compiled: explanations, lists, scorers, text conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fraudstream.compiled.packed import Packed
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import Float64Array, Int64Array, UInt8Array, UInt64Array
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.columns import Columns, currency_code
from fraudstream.engine.converter import AMOUNTS, Converter
from fraudstream.engine.currencies import Currencies
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.expression import PAYMENT_FIELDS, Array, DistinctTexts, Symbols, Type, distinct_texts
from fraudstream.engine.frame import Frame, FrameLayout
from fraudstream.engine.published_amount import CURRENCY_NUMBERS, NOT_CONVERTED
from fraudstream.engine.text_columns import distinct_texts_of


class FrameIndex:
    """Where names are in the frames of one layout. `symbols`: the types of its names; `attributes`: of the declared
    attributes, by their short names; `digest_key`: of all digests; `currencies`: amounts are converted by them; None:
    they are not.

    `numbers`, `texts`, `spans`: by name, the row of `Frame.number`, `Frame.digest` and `Frame.text_at`. `flags`: the
    names of BOOLs. `quantities`: of the `numbers`, those of which no name is a text or a flag. `converter`: converts
    the frames; None if amounts are not converted.
    """

    def __init__(
        self,
        layout: FrameLayout,
        symbols: Symbols,
        attributes: Symbols,
        digest_key: DigestKey,
        currencies: Currencies | None = None,
    ) -> None:
        self.layout, self.attributes, self.digest_key = layout, attributes, digest_key
        self.numbers = {name: row for row, name in enumerate(layout.numbers)}
        self.texts = {name: row for row, name in enumerate(layout.texts)}
        self.spans = {name: row for row, name in enumerate(layout.spans)}
        self.flags = frozenset(name for name in layout.numbers if symbols.get(name) is Type.BOOL)
        self.quantities = {
            name: row for name, row in self.numbers.items() if name not in self.flags | self.texts.keys()
        }
        self.converter = None if currencies is None else Converter(currencies, self.numbers)

    def converted(self, frame: Frame) -> Frame:
        """The frame with its amounts in the base currency, where they are converted: in place, and once."""
        if self.converter is not None:
            self.converter.convert(frame)
        return frame


class FrameColumns:
    """The columns of a frame's `n` payments; arrays have shape (n,). Implements `expression.ColumnSource`.

    `buffer`: uint8, the texts that the frame's spans point into. `payments`: the payments themselves, which may be
    decoded when they are asked for.
    """

    def __init__(self, index: FrameIndex, frame: Frame, buffer: UInt8Array, payments: Sequence[Payment]) -> None:
        self.index, self.frame, self.buffer, self.payments = index, frame, buffer, payments
        self.n = len(frame.occurred_at_ms)
        self._made: dict[str, Array] = {}
        self._distinct: dict[str, DistinctTexts] = {}
        self._decoded: Columns | None = None

    @property
    def digest_key(self) -> DigestKey:
        """As `expression.ColumnSource`."""
        return self.index.digest_key

    @property
    def minor_per_major(self) -> Float64Array:
        """As `expression.ColumnSource`."""
        return self.frame.minor_per_major

    @property
    def published_amount_minor(self) -> Int64Array:
        """The amounts as they were published, in minor units of the payments' own currencies; int64."""
        amount, published = self.frame.amount_minor, self.frame.published
        return np.where(published == NOT_CONVERTED, amount, (published // CURRENCY_NUMBERS).astype(np.int64))

    @property
    def without_rate(self) -> dict[str, int]:
        """How many payments are in each currency that has no rate, where amounts are converted."""
        converter = self.index.converter
        return {} if converter is None else converter.without_rate(self.frame.currency)

    def currency(self, row: int) -> str:
        """Code of the currency that the amounts of one payment, and its features, are in."""
        return currency_code(self.frame.currency.item(row))

    @property
    def occurred_at_ms(self) -> Int64Array:
        """Event times, ms since the epoch, UTC; int64."""
        return self.frame.occurred_at_ms

    @property
    def event(self) -> UInt64Array:
        """Digests of event ids; uint64."""
        event: UInt64Array = self.frame.digest[0]
        return event

    def column(self, name: str) -> Array:
        """A column by the name of a field, an attribute, a feature or a list; as `expression.ColumnSource`."""
        column = self._made.get(name)
        if column is None:
            column = self._made[name] = self._make(name)
        return column

    def value(self, name: str, row: int) -> float:
        """One entry of a column, as a Python number. What is not in the frame is read from this payment alone."""
        index, frame = self.index, self.frame
        if (at := index.quantities.get(name)) is not None:
            quantity: float = frame.number.item(at, row)
            return quantity
        if (at := index.texts.get(name)) is not None:
            digest: int = frame.digest.item(at, row)
            return digest
        if (at := index.numbers.get(name)) is not None:
            flag: float = frame.number.item(at, row)
            return -1 if math.isnan(flag) else flag
        columns, _, _ = read_columns([self.payments[row]], None, 0, index.attributes, self.digest_key)
        found: float = self._converted(columns, name).item(0)
        return found

    def distinct_texts(self, name: str) -> DistinctTexts:
        """As `expression.ColumnSource`."""
        found = self._distinct.get(name)
        if found is None:
            spans = self.index.spans
            whole = name in spans and name in PAYMENT_FIELDS  # the span of an attribute is what a key takes of it
            made = distinct_texts(self.texts(name)) if whole else distinct_texts_of(self, self.payments, name)
            found = self._distinct[name] = made
        return found

    def packed(self, name: str) -> Packed:
        """The values of a text field that has spans, in UTF-8."""
        row = self.index.spans[name]
        return Packed(self.buffer, self.frame.text_at[row], self.frame.text_length[row])

    def texts(self, name: str) -> list[str | None]:
        """The values of a text field that has spans; None where it is missing."""
        return [text.decode() if text else None for text in self.packed(name).present()]

    def add(self, name: str, column: Array) -> None:
        """Make `column`, shape (n,), readable by expressions under `name`, and write it to its row of the frame."""
        self._made[name] = column
        if (row := self.index.texts.get(name)) is not None:
            self.frame.digest[row] = column
        elif (row := self.index.numbers.get(name)) is not None:
            self.frame.number[row] = as_numbers(column)

    def _make(self, name: str) -> Array:
        if (row := self.index.texts.get(name)) is not None:
            digests: Array = self.frame.digest[row]
            return digests
        if (row := self.index.numbers.get(name)) is not None:
            number = self.frame.number[row]
            return np.where(np.isnan(number), -1, number).astype(np.int8) if name in self.index.flags else number
        if self._decoded is None:  # only what alerts and explanations show is not in the layout
            self._decoded, _, _ = read_columns(self.payments, None, 0, self.index.attributes, self.digest_key)
        return self._converted(self._decoded, name)

    def _converted(self, columns: Columns, name: str) -> Array:
        """A column of decoded payments, as the frame would hold it."""
        converter, column = self.index.converter, columns.column(name)
        return column if converter is None or name not in AMOUNTS else converter.column(column, columns.currency_code)


def as_numbers(column: Array) -> Array:
    """A column that is no text as a row of `Frame.number`: -1 of a flag becomes NaN."""
    return np.where(column < 0, np.nan, column) if column.dtype == np.int8 else column
