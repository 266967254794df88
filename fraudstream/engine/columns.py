"""Payments as columns, built once a batch: what kernel, rules and score read. `column_reading` makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from fraudstream.contracts.dead_letter import ReasonCode
from fraudstream.contracts.duration import UNITS_MS
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import Float64Array, Int8Array, Int64Array, UInt16Array, UInt64Array
from fraudstream.engine.digest import DigestKey, digest_column
from fraudstream.engine.expression import PAYMENT_FIELDS, Array, ColumnSource, DistinctTexts, Symbols, Type
from fraudstream.engine.text_columns import distinct_texts_of

OCCURRED_AT_MIN_MS, OCCURRED_AT_END_MS = 0, 7_258_118_400_000  # 1970 to 2199
SECONDS_MIN, SECONDS_END = 10**8, 10**11  # read as seconds: 1973 to 5138; as milliseconds: January 1970 to 1973

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_HOUR_MS, _DAY_MS, _THURSDAY = UNITS_MS["h"], UNITS_MS["d"], 3  # the epoch was a Thursday


class Rejection(NamedTuple):
    """An event that cannot be decided. `position`: its index in the batch; `path`: where in the event the fault is."""

    position: int
    reason: ReasonCode
    sentence: str
    path: str


class Columns:
    """The columns of `n` valid payments; arrays have shape (n,). Implements `expression.ColumnSource`.

    `occurred_at_ms`: event times, ms since the epoch, UTC; int64. `amount_minor`: minor units; int64. `currency_code`:
    never 0; uint16. `event`: digests of event ids; uint64. `minor_per_major`: minor units in one major unit; float64.
    Other columns are built when they are first asked for. `exponent`: decimals of each currency; int8. `balances`: by
    name, minor units, NaN missing; float64. `attributes`: the declared attributes with their types. `digest_key`: of
    all digests.
    """

    def __init__(
        self,
        payments: Sequence[Payment],
        occurred_at_ms: Int64Array,
        amount_minor: Int64Array,
        currency_code: UInt16Array,
        exponent: Int8Array,
        balances: Mapping[str, Float64Array],
        attributes: Symbols,
        digest_key: DigestKey,
    ) -> None:
        self.payments, self.n = payments, len(payments)
        self.occurred_at_ms, self.amount_minor, self.currency_code = occurred_at_ms, amount_minor, currency_code
        self.minor_per_major: Float64Array = np.power(10.0, np.arange(5))[exponent]
        self.digest_key = digest_key
        self.event: UInt64Array = digest_column([payment.event_id for payment in payments], digest_key)
        self._attributes = attributes
        self._made: dict[str, Array] = dict(balances)
        self._distinct: dict[str, DistinctTexts] = {}

    def column(self, name: str) -> Array:
        """A column by the name of a field, an attribute or an added column; as `expression.ColumnSource`."""
        column = self._made.get(name)
        if column is None:
            column = self._made[name] = self._make(name)
        return column

    def distinct_texts(self, name: str) -> DistinctTexts:
        """As `expression.ColumnSource`."""
        found = self._distinct.get(name)
        if found is None:
            found = self._distinct[name] = distinct_texts_of(self, self.payments, name)
        return found

    def texts(self, name: str) -> list[str | None]:
        """The values of a text field as the payments have them."""
        return list(map(attrgetter(name), self.payments))

    def add(self, name: str, column: Array) -> None:
        """Make `column`, shape (n,), readable by expressions under `name`."""
        self._made[name] = column

    def _make(self, name: str) -> Array:
        if name == "amount":
            return self.amount_minor.astype(np.float64)
        if name == "hour":
            return (self.occurred_at_ms // _HOUR_MS % 24).astype(np.float64)
        if name == "weekday":
            return ((self.occurred_at_ms // _DAY_MS + _THURSDAY) % 7).astype(np.float64)
        if name.startswith("attributes."):
            short = name.removeprefix("attributes.")
            values = [None if p.attributes is None else p.attributes.get(short) for p in self.payments]
            return self._column(self._attributes[short], values)
        return self._column(PAYMENT_FIELDS[name], list(map(attrgetter(name), self.payments)))

    def _column(self, type_: Type, values: list[Any]) -> Array:
        if type_ is Type.TEXT:
            return digest_column(values, self.digest_key)
        if type_ is Type.BOOL:
            return np.array([-1 if value is None else value for value in values], np.int8)
        return np.array(values, np.float64)  # None becomes NaN


class Excerpt:
    """Some rows of columns, as a column source of its own. `rows`: their indices; int64, shape (n,)."""

    def __init__(self, columns: ColumnSource, rows: Int64Array) -> None:
        self._columns, self._rows = columns, rows
        self.n = len(rows)
        self.minor_per_major: Float64Array = columns.minor_per_major[rows]
        self.digest_key: DigestKey = columns.digest_key
        self._taken: dict[str, Array] = {}

    def column(self, name: str) -> Array:
        """As `expression.ColumnSource`: shape (n,)."""
        column = self._taken.get(name)
        if column is None:
            column = self._taken[name] = self._columns.column(name)[self._rows]
        return column

    def distinct_texts(self, name: str) -> DistinctTexts:
        """As `expression.ColumnSource`."""
        found = self._columns.distinct_texts(name)
        return found._replace(code=found.code[self._rows])

    def excerpt(self, rows: Int64Array) -> Excerpt:
        """Some rows of these. `rows`: indices into this excerpt; int64."""
        return Excerpt(self, rows)


def time_ms(moment: int | datetime) -> int:
    """ms since the epoch, UTC, rounded down; -1 for a number that is not a time.

    >>> time_ms(datetime(2026, 1, 1, tzinfo=UTC)), time_ms(12), time_ms(10**30)
    (1767225600000, 12, -1)
    """
    if isinstance(moment, datetime):
        return (moment - _EPOCH) // _MILLISECOND
    return moment if 0 <= moment < OCCURRED_AT_END_MS else -1


def currency_number(currency: str) -> int:
    """The number that stands for a currency in columns, from its three letters; never 0."""
    code = 0
    for letter in currency.encode()[:3]:
        code = code * 26 + (letter - 65) % 26
    return code + 1


def currency_code(number: int) -> str:
    """The three letters of the currency that `currency_number` gives this number."""
    code = number - 1
    return chr(65 + code // 676) + chr(65 + code // 26 % 26) + chr(65 + code % 26)
