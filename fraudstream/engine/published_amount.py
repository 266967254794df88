"""The amount and the currency in which a payment was published, in one number, where amounts were converted. Compiled.

A converted payment counts in the base currency. Whether a repeat is altered, and what a reversal takes back, is
compared in the currency in which the payments were published, so that rates and rounding have no part in it.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.contracts.currency import AMOUNT_MINOR_MAX

CURRENCY_NUMBERS = 26**3 + 1  # numbers of currencies lie below it, see `columns.currency_number`
NOT_CONVERTED = np.uint64(0)

_CURRENCIES = np.uint64(CURRENCY_NUMBERS)


@jit
def published(amount_minor: int, currency: int) -> np.uint64:
    """An amount of at most `AMOUNT_MINOR_MAX` minor units, a larger one as that, and the number of its currency. Never
    `NOT_CONVERTED`, as no currency has the number 0; the largest is just below 2**64."""
    return np.uint64(min(amount_minor, AMOUNT_MINOR_MAX)) * _CURRENCIES + np.uint64(currency)


@jit
def published_amount(number: np.uint64, amount_minor: int) -> int:
    """The published amount in minor units. `amount_minor`: of the payment, if it was `NOT_CONVERTED`."""
    return int(amount_minor if number == NOT_CONVERTED else np.int64(number // _CURRENCIES))


@jit
def published_currency(number: np.uint64, currency: int) -> int:
    """The number of the published currency. `currency`: of the payment, if it was `NOT_CONVERTED`."""
    return int(currency if number == NOT_CONVERTED else np.int64(number % _CURRENCIES))
