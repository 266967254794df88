"""Values as text for evidence, messages and score parts: the same text on every machine."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from fraudstream.contracts.currency import EXPONENTS, amount_text
from fraudstream.contracts.duration import duration_text
from fraudstream.contracts.payment import Payment
from fraudstream.engine.aggregates.code_tables import text_of_digest
from fraudstream.engine.expression import PAYMENT_FIELDS, ColumnSource, Type

MISSING = "missing"

_NUMBERS_MAX: Final = 4096  # whose texts are remembered: most are counts


def plain(value: float, type_: Type, currency: str) -> str:
    """A NUMBER, MONEY (minor units), DURATION (ms) or BOOL (1 or 0) as text; `MISSING` for NaN and a BOOL below 0.

    >>> plain(7.0, Type.NUMBER, "EUR"), plain(1250.0, Type.MONEY, "EUR"), plain(7_530_000.0, Type.DURATION, "EUR")
    ('7', '12.50 EUR', '2h 5m')
    """
    if math.isnan(value):
        return MISSING
    if type_ is Type.NUMBER:
        return _number(value)
    if type_ is Type.BOOL:
        return "true" if value > 0 else "false" if value == 0 else MISSING
    if math.isinf(value):
        return "infinite"
    return _amount(round(value), currency) if type_ is Type.MONEY else duration_text(value)


def text_at(columns: ColumnSource, row: int, payment: Payment, name: str) -> str:
    """The text of a TEXT name for `payment`, which is at `row` of `columns`: a field, an attribute or a feature."""
    if name in PAYMENT_FIELDS or name.startswith("attributes."):
        return payment_text(payment, name)
    return text_of_digest(int(columns.column(name)[row]), columns.digest_key) or MISSING


def payment_text(payment: Payment, name: str) -> str:
    """A TEXT field of a payment, or an attribute (`attributes.name`); `MISSING` if the payment has none."""
    if name in PAYMENT_FIELDS:
        return getattr(payment, name) or MISSING
    value = (payment.attributes or {}).get(name.removeprefix("attributes."))
    return MISSING if value is None or value == "" else str(value)


def _amount(minor: int, currency: str) -> str:
    if minor >= 0 and EXPONENTS[currency] == 2:  # nearly all amounts, in half the time
        return f"{minor // 100}.{minor % 100:02d} {currency}"
    return f"{amount_text(minor, currency)} {currency}"


@lru_cache(_NUMBERS_MAX)
def _number(value: float) -> str:
    if math.isinf(value):
        return "infinite"
    decimals = 2 if abs(value) >= 1 else 4
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
