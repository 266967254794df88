"""Payments as columns: what the kernel, the rules and the score read, made once a batch; and the payments that can't be
read, with why."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.dead_letter import ReasonCode
from fraudstream.contracts.duration import UNITS_MS, duration_text
from fraudstream.contracts.payment import Payment
from fraudstream.engine import amounts
from fraudstream.engine.arrays import BoolArray, Float64Array, Int8Array, Int64Array, UInt16Array, UInt64Array
from fraudstream.engine.digest import digest_column
from fraudstream.engine.expression import PAYMENT_FIELDS, Array, Symbols, Type

OCCURRED_AT_MIN_MS, OCCURRED_AT_END_MS = 0, 7_258_118_400_000  # 1970 to 2199
SECONDS_MIN, SECONDS_END = 10**8, 10**11  # read as seconds: 1973 to 5138; as milliseconds: January 1970 to 1973

_SECONDS = "occurred_at looks like seconds since the epoch; give milliseconds, or a date and time with its zone."
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_HOUR_MS, _DAY_MS, _THURSDAY = UNITS_MS["h"], UNITS_MS["d"], 3  # the epoch was a Thursday


class Rejection(NamedTuple):
    """An event that can't be judged. `position`: its place in the batch; `path`: where in the event the fault is."""

    position: int
    reason: ReasonCode
    sentence: str
    path: str


class Columns:
    """`n` payments. `occurred_at_ms` int64, `amount_minor` int64, `currency_code` uint16 (never 0), `event` uint64
    (digest of event_id); other columns are made when they are first asked for, as `expression.ColumnSource` says.
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
    ) -> None:
        self.payments, self.n = payments, len(payments)
        self.occurred_at_ms, self.amount_minor, self.currency_code = occurred_at_ms, amount_minor, currency_code
        self.minor_per_major: Float64Array = np.power(10.0, np.arange(5))[exponent]
        self.event: UInt64Array = digest_column([payment.event_id for payment in payments])
        self._attributes = attributes
        self._made: dict[str, Array] = dict(balances)

    def column(self, name: str) -> Array:
        column = self._made.get(name)
        if column is None:
            column = self._made[name] = self._make(name)
        return column

    def add(self, name: str, column: Array) -> None:
        """Let expressions read `column` under `name`."""
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
            return _column(self._attributes[short], values)
        if name == "account_id":  # no expression reads it; features of other entities look at it
            return digest_column([payment.account_id for payment in self.payments])
        return _column(PAYMENT_FIELDS[name], list(map(attrgetter(name), self.payments)))


class Excerpt:
    """Some rows of columns, as columns of their own. `rows`: their positions, shape (n,)."""

    def __init__(self, columns: Columns | Excerpt, rows: Int64Array) -> None:
        self._columns, self._rows = columns, rows
        self.n = len(rows)
        self.minor_per_major: Float64Array = columns.minor_per_major[rows]
        self._taken: dict[str, Array] = {}

    def column(self, name: str) -> Array:
        column = self._taken.get(name)
        if column is None:
            column = self._taken[name] = self._columns.column(name)[self._rows]
        return column

    def excerpt(self, rows: Int64Array) -> Excerpt:
        return Excerpt(self, rows)


def _column(type_: Type, values: list[Any]) -> Array:
    if type_ is Type.TEXT:
        return digest_column(values)
    if type_ is Type.BOOL:
        return np.array([-1 if value is None else value for value in values], np.int8)
    return np.array(values, np.float64)  # None becomes NaN


def read_columns(
    payments: Sequence[Payment], published_at_ms: Int64Array | None, too_far_ahead_ms: int, attributes: Symbols
) -> tuple[Columns, Int64Array, list[Rejection]]:
    """Columns of the payments that can be judged, their positions among `payments`, and the rejections of the others.

    `published_at_ms`: when each record was published, int64, shape (n,); a payment that claims to lie further ahead of
    that than `too_far_ahead_ms` is rejected, and so is one whose time seems to be in seconds. Without it, as with the
    payments of a file, neither is.
    """
    n = len(payments)
    rejections: dict[int, Rejection] = {}

    def reject(position: int, reason: ReasonCode, sentence: str, path: str) -> None:
        rejections.setdefault(position, Rejection(position, reason, sentence, path))

    occurred_at_ms = _times([payment.occurred_at for payment in payments])
    for i in np.flatnonzero((occurred_at_ms < OCCURRED_AT_MIN_MS) | (occurred_at_ms >= OCCURRED_AT_END_MS)).tolist():
        reject(i, "occurred_at", "occurred_at lies outside the years 1970 to 2199.", "$.occurred_at")
    if published_at_ms is not None:
        for i in np.flatnonzero((occurred_at_ms >= SECONDS_MIN) & (occurred_at_ms < SECONDS_END)).tolist():
            if not isinstance(payments[i].occurred_at, datetime):
                reject(i, "occurred_at", _SECONDS, "$.occurred_at")
        for i in np.flatnonzero(occurred_at_ms > published_at_ms + too_far_ahead_ms).tolist():
            ahead = duration_text(int(occurred_at_ms[i] - published_at_ms[i]))
            most = duration_text(too_far_ahead_ms)
            sentence = f"occurred_at lies {ahead} after the payment was published; {most} is allowed. Check the clock."
            reject(i, "too_far_ahead", sentence, "$.occurred_at")

    currencies = [payment.currency for payment in payments]
    known = {currency: (EXPONENTS.get(currency, -1), _currency_code(currency)) for currency in set(currencies)}
    exponent = np.array([known[currency][0] for currency in currencies], np.int8)
    currency_code = np.array([known[currency][1] for currency in currencies], np.uint16)
    for i in np.flatnonzero(exponent < 0).tolist():
        reject(i, "currency", f"{currencies[i]!r} is no currency of ISO 4217.", "$.currency")
    exponent = np.maximum(exponent, 0)

    amount_minor, faults = amounts.parse_amounts([payment.amount for payment in payments], exponent)
    for i in np.flatnonzero(faults).tolist():
        reject(i, "amount", f"amount '{payments[i].amount}' is {amounts.SENTENCES[int(faults[i])]}.", "$.amount")
    balances = {}
    for name in ("balance_before", "balance_after"):
        texts: list[str | None] = list(map(attrgetter(name), payments))
        held = [] if texts.count(None) == n else [i for i, text in enumerate(texts) if text is not None]
        balance = np.full(n, np.nan)
        if held:
            minor, faults = amounts.parse_amounts([texts[i] or "" for i in held], exponent[held], signed=True)
            balance[held] = minor
            for i, fault in zip(held, faults.tolist(), strict=True):
                if fault:
                    reject(i, "amount", f"{name} '{texts[i]}' is {amounts.SENTENCES[fault]}.", f"$.{name}")
        balances[name] = balance
    for i, payment in enumerate(payments) if attributes else ():
        for name, value in (payment.attributes or {}).items():
            if name in attributes and not _fits(attributes[name], value):
                sentence = f"attribute '{name}' must be {attributes[name].value}, as the catalogue declares it."
                reject(i, "invalid", sentence, f"$.attributes.{name}")

    kept = np.arange(n)
    if rejections:
        keep: BoolArray = np.ones(n, np.bool_)
        keep[list(rejections)] = False
        kept = np.flatnonzero(keep)
        payments = [payments[i] for i in kept.tolist()]
        balances = {name: balance[kept] for name, balance in balances.items()}
        occurred_at_ms, amount_minor = occurred_at_ms[kept], amount_minor[kept]
        currency_code, exponent = currency_code[kept], exponent[kept]
    columns = Columns(payments, occurred_at_ms, amount_minor, currency_code, exponent, balances, attributes)
    return columns, kept, [rejections[i] for i in sorted(rejections)]


def time_ms(moment: int | datetime) -> int:
    """ms since the epoch, UTC, rounded down; -1 for a number that is no time at all.

    >>> time_ms(datetime(2026, 1, 1, tzinfo=UTC)), time_ms(12), time_ms(10**30)
    (1767225600000, 12, -1)
    """
    if isinstance(moment, datetime):
        return (moment - _EPOCH) // _MILLISECOND
    return moment if 0 <= moment < OCCURRED_AT_END_MS else -1


def _times(moments: list[int | datetime]) -> Int64Array:
    try:
        return np.array(moments, np.int64)
    except (TypeError, OverflowError):
        return np.array([time_ms(moment) for moment in moments], np.int64)


def _currency_code(currency: str) -> int:
    code = 0
    for letter in currency.encode()[:3]:
        code = code * 26 + (letter - 65) % 26
    return code + 1


def _fits(type_: Type, value: object) -> bool:
    if type_ is Type.BOOL:
        return isinstance(value, bool)
    if type_ is Type.TEXT:
        return isinstance(value, str)
    # A whole number may have any length; what float64 can't hold is refused here, not when its column is made.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
