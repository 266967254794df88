"""Values as a person reads them in evidence, messages and score parts: the same text on every machine."""

from __future__ import annotations

import math

from fraudstream.contracts.currency import amount_text
from fraudstream.contracts.payment import Payment
from fraudstream.engine.expression import Type

MISSING = "missing"

_UNITS_MS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))


def plain(value: float, type_: Type, currency: str) -> str:
    """A NUMBER, MONEY (minor units), DURATION (ms) or BOOL (1 or 0) as text; `MISSING` for NaN, and for a BOOL below 0.

    >>> plain(7.0, Type.NUMBER, "EUR"), plain(1250.0, Type.MONEY, "EUR"), plain(7_530_000.0, Type.DURATION, "EUR")
    ('7', '12.50 EUR', '2h 5m')
    """
    if math.isnan(value) or (type_ is Type.BOOL and value < 0):
        return MISSING
    if math.isinf(value):
        return "infinite"
    match type_:
        case Type.BOOL:
            return "true" if value else "false"
        case Type.MONEY:
            return f"{amount_text(round(value), currency)} {currency}"
        case Type.DURATION:
            return _duration(value)
        case _:
            return _number(value)


def payment_text(payment: Payment, name: str) -> str:
    """The words of a TEXT field of a payment, or of an attribute (`attributes.name`); `MISSING` if it has none."""
    if name.startswith("attributes."):
        value = (payment.attributes or {}).get(name.removeprefix("attributes."))
    else:
        value = getattr(payment, name)
    return MISSING if value is None or value == "" else str(value)


def _number(value: float) -> str:
    decimals = 2 if abs(value) >= 1 else 4
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _duration(value_ms: float) -> str:
    """The two largest units of it, rounded down: '3d 4h', '15m', '0.25s'."""
    sign, rest = ("-" if value_ms < 0 else ""), abs(value_ms)
    for i, (unit, unit_ms) in enumerate(_UNITS_MS):
        if rest >= unit_ms:
            whole, rest = divmod(rest, unit_ms)
            text = f"{sign}{whole:.0f}{unit}"
            if i + 1 < len(_UNITS_MS):
                smaller, smaller_ms = _UNITS_MS[i + 1]
                if rest >= smaller_ms:
                    text += f" {rest // smaller_ms:.0f}{smaller}"
            return text
    return f"{sign}{_number(rest / 1_000)}s"
