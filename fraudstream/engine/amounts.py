"""Decimal strings to integer minor units, exactly: amounts are never held as binary floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fraudstream.compiled.jit import entry_point
from fraudstream.contracts.currency import AMOUNT_MINOR_MAX
from fraudstream.engine.arrays import Int8Array, Int64Array, UInt8Array

GOOD, NOT_DECIMAL, TOO_PRECISE, TOO_LARGE, NEGATIVE = range(5)

SENTENCES = {
    NOT_DECIMAL: "not a decimal amount: digits, and at most one point between digits",
    TOO_PRECISE: "too precise: more decimals than the currency has",
    TOO_LARGE: f"larger than {AMOUNT_MINOR_MAX} minor units",
    NEGATIVE: "negative: an amount has no sign, `direction` says whether it is a debit or a credit",
}

_SEPARATOR = "\n"


def parse_amounts(texts: Sequence[str], exponents: Int8Array, signed: bool = False) -> tuple[Int64Array, Int8Array]:
    """Amounts in minor units, int64, shape (n,), and the fault of each, int8, shape (n,): `GOOD`, or what is wrong.

    A faulty amount is 0. `exponents`: decimals of each amount's currency, int8, shape (n,). Further decimals are
    allowed if they are zeros. `signed`: whether a leading minus is allowed, as for balances.

    >>> parse_amounts(["12.5", "12.505", "-1", "1e3"], np.array([2, 2, 2, 2], np.int8))
    (array([1250,    0,    0,    0]), array([0, 2, 4, 1], dtype=int8))
    """
    amounts, faults = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int8)
    joined = _SEPARATOR.join(texts)
    if joined.count(_SEPARATOR) != max(len(texts) - 1, 0):  # a text contains the separator, so it is not an amount
        joined = _SEPARATOR.join(text.replace(_SEPARATOR, "?") for text in texts)
    if len(texts):
        _parse_joined(np.frombuffer(joined.encode(), np.uint8), exponents, amounts, faults, AMOUNT_MINOR_MAX, signed)
    return amounts, faults


@entry_point
def _parse_joined(
    data: UInt8Array, exponents: Int8Array, amounts: Int64Array, faults: Int8Array, most: int, signed: bool
) -> None:
    """Parse texts joined by line ends.

    `data`: their bytes, uint8. `exponents`: int8, shape (n,). `amounts`, int64, and `faults`, int8, shape (n,): output,
    as `parse_amounts` returns them. `most`: the largest valid amount, minor units. `signed`: as in `parse_amounts`.
    """
    start = 0
    for position in range(len(amounts)):
        end = start
        while end < len(data) and data[end] != 10:
            end += 1
        amount, decimals, digits, digits_after = 0, 0, 0, 0
        seen_point, negative, fault = False, False, GOOD
        for i in range(start, end):
            byte: Any = np.int64(data[i])  # in plain Python too its digits must not be summed as uint8
            if 48 <= byte <= 57:
                digits += 1
                if seen_point:
                    digits_after += 1
                if seen_point and decimals == exponents[position]:
                    if byte != 48:
                        fault = TOO_PRECISE if fault == GOOD else fault
                    continue
                if amount <= most:
                    amount = amount * 10 + (byte - 48)
                if seen_point:
                    decimals += 1
            elif byte == 46 and not seen_point and digits:
                seen_point = True
            elif byte == 45 and i == start:
                negative = True
            else:
                fault = NOT_DECIMAL
                break
        if digits == 0 or (seen_point and digits_after == 0):
            fault = NOT_DECIMAL
        for _ in range(exponents[position] - decimals):
            if amount <= most:
                amount *= 10
        if fault == GOOD and amount > most:
            fault = TOO_LARGE
        if fault == GOOD and negative and not signed:
            fault = NEGATIVE
        faults[position] = fault
        amounts[position] = 0 if fault != GOOD else -amount if negative else amount
        start = end + 1
