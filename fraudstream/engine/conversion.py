"""Converts the amounts of a frame to the base currency, exactly: one step after intake, before the kernel. Compiled.

    frame as published                         frame as converted, base EUR, 1 USD = 0.8532 EUR
    amount_minor 10000  currency USD    ──►    amount_minor 8532  currency EUR
                                               published    10000 USD (`published_amount`)

Amounts and rates are integers. The product of the two is divided once, rounded half to even. A payment in the base
currency, or in one without a rate, stays as it is.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.contracts.currency import AMOUNT_MINOR_MAX
from fraudstream.engine.arrays import Float64Array, Int64Array, UInt16Array
from fraudstream.engine.frame import Frame
from fraudstream.engine.published_amount import published

RATE_EXPONENT: Final = 12
RATE_UNIT: Final = 10**RATE_EXPONENT
RATE_MAX: Final = 5 * 10**18  # so that no step of `in_base` leaves int64

_PART: Final = 10**6  # amounts and rates are multiplied in two parts of this many values
_HALF: Final = RATE_UNIT // 2


@jit
def in_base(amount_minor: int, rate: int) -> int:
    """An amount of at most `AMOUNT_MINOR_MAX` minor units, of either sign, in minor units of the base.

    `rate`: minor units of the base for `RATE_UNIT` minor units, at most `RATE_MAX`. What would be larger than
    `AMOUNT_MINOR_MAX` becomes `AMOUNT_MINOR_MAX`: it is above all thresholds, and 512 of them can be summed.

    With amount = q * _PART + s and rate = a * _PART + b, the product in units of `RATE_UNIT` is q * a and the rest of
    (q * b + s * a) * _PART + s * b; every intermediate result is below 2**63.
    """
    size = abs(amount_minor)
    q, s = size // _PART, size % _PART
    a, b = rate // _PART, rate % _PART
    if a > 0 and q > AMOUNT_MINOR_MAX // a:
        return AMOUNT_MINOR_MAX if amount_minor > 0 else -AMOUNT_MINOR_MAX
    middle = q * b + s * a
    rest = (middle % _PART) * _PART + s * b
    whole = q * a + middle // _PART + rest // RATE_UNIT
    rest %= RATE_UNIT
    if rest > _HALF or (rest == _HALF and whole % 2 == 1):
        whole += 1
    whole = min(whole, AMOUNT_MINOR_MAX)
    return whole if amount_minor >= 0 else -whole


@entry_point
def convert(frame: Frame, money: Int64Array, rates: Int64Array, base: np.uint16, minor_per_major: float) -> None:
    """Convert the payments of a frame that are in a currency with a rate, and note how they were published.

    `money`: rows of `Frame.number` that hold amounts of the payment; int64. `rates`: by the number of a currency, 0
    for none; int64. `base`: number of the base currency, `minor_per_major`: its minor units in one major unit.
    """
    assert len(frame.currency) == len(frame.amount_minor) == len(frame.published) == frame.number.shape[1]
    for i in range(len(frame.currency)):
        currency = frame.currency[i]
        rate = rates[currency]
        if rate == 0:
            continue
        frame.published[i] = published(frame.amount_minor[i], currency)
        frame.amount_minor[i] = in_base(frame.amount_minor[i], rate)
        for k in range(len(money)):
            amount = frame.number[money[k], i]
            if not np.isnan(amount):
                frame.number[money[k], i] = float(in_base(int(amount), rate))
        frame.currency[i] = base
        frame.minor_per_major[i] = minor_per_major


@entry_point
def convert_column(amount: Float64Array, currency: UInt16Array, rates: Int64Array) -> None:
    """Convert one column of amounts in minor units, NaN missing, in place: float64, shape (n,). `currency`: numbers of
    the currencies, shape (n,). `rates`: as of `convert`."""
    assert len(amount) == len(currency), "sizes differ"
    for i in range(len(amount)):
        rate = rates[currency[i]]
        if rate != 0 and not np.isnan(amount[i]):
            amount[i] = float(in_base(int(amount[i]), rate))
