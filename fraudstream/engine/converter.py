"""What converts the frames of one layout to the base currency of a rule set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.contracts.currency import EXPONENTS
from fraudstream.engine.arrays import Float64Array, Int64Array, UInt16Array
from fraudstream.engine.columns import currency_number
from fraudstream.engine.conversion import convert, convert_column
from fraudstream.engine.currencies import Currencies
from fraudstream.engine.expression import PAYMENT_FIELDS, Type
from fraudstream.engine.frame import Frame
from fraudstream.engine.published_amount import CURRENCY_NUMBERS

AMOUNTS: Final = frozenset(name for name, type_ in PAYMENT_FIELDS.items() if type_ is Type.MONEY)


class Converter:
    """Converts by `currencies`. `numbers`: the rows of `Frame.number` by name."""

    def __init__(self, currencies: Currencies, numbers: Mapping[str, int]) -> None:
        self._base = np.uint16(currency_number(currencies.base))
        self._minor_per_major = float(10 ** EXPONENTS[currencies.base])
        self._money: Int64Array = np.array([row for name, row in numbers.items() if name in AMOUNTS], np.int64)
        self._rates: Int64Array = np.zeros(CURRENCY_NUMBERS, np.int64)
        for code, rate in currencies.rates.items():
            self._rates[currency_number(code)] = rate
        self._convert = Direct(convert)

    def convert(self, frame: Frame) -> None:
        """Convert the payments of a frame, in place."""
        self._convert(frame, self._money, self._rates, self._base, self._minor_per_major)

    def column(self, amount: Float64Array, currency: UInt16Array) -> Float64Array:
        """A column of amounts that is not in a frame, converted: minor units, NaN missing; float64, shape (n,).
        `currency`: numbers of the currencies in which they were published."""
        converted = amount.copy()
        convert_column(converted, currency, self._rates)
        return converted

    def without_rate(self, currency: UInt16Array) -> dict[str, int]:
        """How many payments of a converted frame are in each currency that has no rate. `currency`: of the frame."""
        numbers, counts = np.unique(currency[currency != self._base], return_counts=True)
        return {_CODES[number]: count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)}


_CODES: Final = {currency_number(code): code for code in EXPONENTS}
