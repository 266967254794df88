"""Reads payments into columns, and rejects those that are invalid.

`read_columns` checks times, currencies, countries, merchant categories, amounts, balances, declared attributes and
relations; a payment is rejected for the first fault found. Every check looks at whole columns, and at single payments
only where a column has a fault.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

import numpy as np

from fraudstream.contracts.country import COUNTRIES, country_fault
from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.dead_letter import ReasonCode
from fraudstream.contracts.duration import duration_text
from fraudstream.contracts.payment import Payment
from fraudstream.engine import amounts
from fraudstream.engine.arrays import BoolArray, Float64Array, Int8Array, Int64Array, UInt16Array
from fraudstream.engine.columns import (
    OCCURRED_AT_END_MS,
    OCCURRED_AT_MIN_MS,
    SECONDS_END,
    SECONDS_MIN,
    Columns,
    Rejection,
    currency_number,
    time_ms,
)
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.expression import Symbols, Type
from fraudstream.engine.relation_columns import check_relations

_SECONDS = "occurred_at looks like seconds since the epoch; give milliseconds, or a date and time with its zone."
_COUNTRY_OR_NONE: frozenset[str | None] = COUNTRIES | {None}
_MCC = re.compile("[0-9]{4}")


class _Faults:
    """The rejections of a batch: at most one for each payment, the first that was found."""

    def __init__(self) -> None:
        self._by_position: dict[int, Rejection] = {}

    def add(self, position: int, reason: ReasonCode, sentence: str, path: str) -> None:
        """Reject the payment at `position`, unless it is rejected already."""
        self._by_position.setdefault(position, Rejection(position, reason, sentence, path))

    @property
    def found(self) -> list[Rejection]:
        """In the order of the payments."""
        return [rejection for _, rejection in sorted(self._by_position.items())]

    def kept(self, n: int) -> Int64Array:
        """Indices of the payments, out of `n`, that are not rejected: int64."""
        keep: BoolArray = np.ones(n, np.bool_)
        keep[list(self._by_position)] = False
        return np.flatnonzero(keep)


def read_columns(
    payments: Sequence[Payment],
    published_at_ms: Int64Array | None,
    too_far_ahead_ms: int,
    attributes: Symbols,
    digest_key: DigestKey,
) -> tuple[Columns, Int64Array, list[Rejection]]:
    """Columns of the valid payments, their indices in `payments` (int64), and the rejections of the others.

    `published_at_ms`: when each record was published, ms since the epoch; int64, shape (n,). A payment is rejected if
    it claims to have occurred more than `too_far_ahead_ms` after that; None, as for payments of a file: this is not
    checked. `attributes`: the declared attributes with their types. `digest_key`: of the columns' digests.
    """
    n, faults = len(payments), _Faults()
    occurred_at_ms = _times([payment.occurred_at for payment in payments])
    _check_times(payments, occurred_at_ms, published_at_ms, too_far_ahead_ms, faults)
    exponent, currency_code = _currencies(payments, faults)
    _check_codes(payments, faults)
    amount_minor, amount_faults = amounts.parse_amounts([payment.amount for payment in payments], exponent)
    for i in np.flatnonzero(amount_faults).tolist():
        sentence = f"amount '{payments[i].amount}' is {amounts.SENTENCES[int(amount_faults[i])]}."
        faults.add(i, "amount", sentence, "$.amount")
    balances = {name: _balance(name, payments, exponent, faults) for name in ("balance_before", "balance_after")}
    if attributes:
        _check_attributes(payments, attributes, faults)
    check_relations(payments, faults.add)
    rejections = faults.found
    if not rejections:
        columns = Columns(
            payments, occurred_at_ms, amount_minor, currency_code, exponent, balances, attributes, digest_key
        )
        return columns, np.arange(n), []
    kept = faults.kept(n)
    columns = Columns(
        [payments[i] for i in kept.tolist()],
        occurred_at_ms[kept],
        amount_minor[kept],
        currency_code[kept],
        exponent[kept],
        {name: balance[kept] for name, balance in balances.items()},
        attributes,
        digest_key,
    )
    return columns, kept, rejections


def _check_times(
    payments: Sequence[Payment],
    occurred_at_ms: Int64Array,
    published_at_ms: Int64Array | None,
    too_far_ahead_ms: int,
    faults: _Faults,
) -> None:
    """Reject times outside the supported years, in seconds, and against `published_at_ms` as `read_columns` says."""
    for i in np.flatnonzero((occurred_at_ms < OCCURRED_AT_MIN_MS) | (occurred_at_ms >= OCCURRED_AT_END_MS)).tolist():
        faults.add(i, "occurred_at", "occurred_at lies outside the years 1970 to 2199.", "$.occurred_at")
    for i in np.flatnonzero((occurred_at_ms >= SECONDS_MIN) & (occurred_at_ms < SECONDS_END)).tolist():
        if not isinstance(payments[i].occurred_at, datetime):
            faults.add(i, "occurred_at", _SECONDS, "$.occurred_at")
    if published_at_ms is None:
        return
    for i in np.flatnonzero(occurred_at_ms - too_far_ahead_ms > published_at_ms).tolist():
        ahead = duration_text(int(occurred_at_ms[i]) - int(published_at_ms[i]))
        most = duration_text(too_far_ahead_ms)
        sentence = f"occurred_at lies {ahead} after the payment was published; {most} is allowed. Check the clock."
        faults.add(i, "too_far_ahead", sentence, "$.occurred_at")


def _currencies(payments: Sequence[Payment], faults: _Faults) -> tuple[Int8Array, UInt16Array]:
    """Decimals (int8) and code (uint16) of each payment's currency, shape (n,); 0 decimals if it is unknown."""
    currencies = [payment.currency for payment in payments]
    known = {currency: (EXPONENTS.get(currency, -1), currency_number(currency)) for currency in set(currencies)}
    exponent = np.array([known[currency][0] for currency in currencies], np.int8)
    currency_code = np.array([known[currency][1] for currency in currencies], np.uint16)
    for i in np.flatnonzero(exponent < 0).tolist():
        faults.add(i, "currency", f"{currencies[i]!r} is not a currency of ISO 4217.", "$.currency")
    return np.maximum(exponent, 0), currency_code


def _check_codes(payments: Sequence[Payment], faults: _Faults) -> None:
    """Reject countries that are not in ISO 3166-1, and merchant category codes that are not four digits."""
    if not {payment.country for payment in payments} <= _COUNTRY_OR_NONE:
        for i, payment in enumerate(payments):
            if payment.country is not None and (fault := country_fault(payment.country)) is not None:
                faults.add(i, "invalid", f"country {payment.country!r} {fault}.", "$.country")
    wrong = {mcc for mcc in {payment.mcc for payment in payments} if mcc is not None and not _MCC.fullmatch(mcc)}
    if wrong:
        for i, payment in enumerate(payments):
            if payment.mcc in wrong:
                sentence = f"mcc {payment.mcc!r} is not a merchant category code of ISO 18245: it has four digits."
                faults.add(i, "invalid", sentence, "$.mcc")


def _balance(name: str, payments: Sequence[Payment], exponent: Int8Array, faults: _Faults) -> Float64Array:
    """The balances of a field in minor units, NaN missing: float64, shape (n,). `exponent`: as of `_currencies`."""
    n = len(payments)
    texts: list[str | None] = list(map(attrgetter(name), payments))
    balance = np.full(n, np.nan)
    if texts.count(None) == n:
        return balance
    held = [i for i, text in enumerate(texts) if text is not None]
    minor, text_faults = amounts.parse_amounts([texts[i] or "" for i in held], exponent[held], signed=True)
    balance[held] = minor
    for i, fault in zip(held, text_faults.tolist(), strict=True):
        if fault:
            faults.add(i, "amount", f"{name} '{texts[i]}' is {amounts.SENTENCES[fault]}.", f"$.{name}")
    return balance


def _check_attributes(payments: Sequence[Payment], attributes: Symbols, faults: _Faults) -> None:
    """Reject payments that have a declared attribute of another type."""
    for i, payment in enumerate(payments):
        for name, value in (payment.attributes or {}).items():
            if name in attributes and not _fits(attributes[name], value):
                sentence = f"attribute '{name}' must be {attributes[name].value}, as the catalogue declares it."
                faults.add(i, "invalid", sentence, f"$.attributes.{name}")


def _times(moments: list[int | datetime]) -> Int64Array:
    try:
        return np.array(moments, np.int64)
    except (TypeError, OverflowError):
        return np.array([time_ms(moment) for moment in moments], np.int64)


def _fits(type_: Type, value: object) -> bool:
    if type_ is Type.BOOL:
        return isinstance(value, bool)
    if type_ is Type.TEXT:
        return isinstance(value, str)
    # A whole number may have any length; what float64 can't hold is refused here, not when its column is made.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
