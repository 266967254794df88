"""Exact sums of money, as decimal strings and integers in minor units, never as binary floats."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fraudstream.contracts import EXPONENTS, amount_text
from fraudstream.contracts.dead_letter import ReasonCode

_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,8})?")


class AlertError(ValueError):
    """An alert that cannot be grouped. `reason`: code of the dead letter; `path`: JSON path of the faulty field."""

    def __init__(self, reason: ReasonCode, sentence: str, path: str) -> None:
        super().__init__(sentence)
        self.reason: ReasonCode = reason
        self.path = path


def amount_minor(text: str, currency: str) -> int:
    """The decimal `text` in minor units of `currency` (ISO 4217). Raises `AlertError`.

    >>> amount_minor("12.5", "EUR"), amount_minor("1250", "JPY"), amount_minor("0.0050", "KWD")
    (1250, 1250, 5)
    """
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise AlertError("currency", f"{currency!r} is not a currency of ISO 4217", "$.payment.currency")
    if not _DECIMAL.fullmatch(text):
        raise AlertError("amount", f"{text!r} is not a decimal amount", "$.payment.amount")
    whole, _, decimals = text.partition(".")
    if decimals[exponent:].strip("0"):
        raise AlertError("amount", f"{text!r} has more decimals than {currency} has", "$.payment.amount")
    return int(whole + decimals[:exponent].ljust(exponent, "0"))


def add_amount(totals: Mapping[str, str], text: str, currency: str) -> dict[str, str]:
    """`totals` (decimal strings by currency) plus one amount. Raises `AlertError`.

    >>> add_amount({"EUR": "0.10"}, "0.2", "EUR")
    {'EUR': '0.30'}
    """
    sum_minor = amount_minor(totals.get(currency, "0"), currency) + amount_minor(text, currency)
    return {**totals, currency: amount_text(sum_minor, currency)}
