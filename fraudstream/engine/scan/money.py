"""Plain decimal amounts to minor units."""

from __future__ import annotations

from typing import Final

from fraudstream.compiled.jit import jit
from fraudstream.contracts.currency import AMOUNT_MINOR_MAX
from fraudstream.engine.arrays import UInt8Array
from fraudstream.engine.scan.tokens import MINUS, POINT, byte_at, is_digit

NOT_MONEY: Final = -(1 << 62)

_ZERO = 0x30


@jit
def minor_units(buffer: UInt8Array, at: int, end: int, exponent: int, signed: bool) -> int:
    """The amount from `at` to `end` in minor units of a currency with `exponent` decimals; `NOT_MONEY` for what
    `amounts.parse_amounts` rejects. `signed`: whether a leading minus is allowed.

    The amount is compared with the largest valid one after each digit, so it never overflows.
    """
    negative = signed and byte_at(buffer, at) == MINUS
    if negative:
        at += 1
    first, amount = at, 0
    while at < end and is_digit(byte_at(buffer, at)):
        amount = amount * 10 + byte_at(buffer, at) - _ZERO
        at += 1
        if amount > AMOUNT_MINOR_MAX:
            return NOT_MONEY
    if at == first:
        return NOT_MONEY
    missing = exponent  # decimals that the amount does not have
    if at < end:
        if byte_at(buffer, at) != POINT or at + 1 == end:
            return NOT_MONEY
        at += 1
        while at < end:
            byte = byte_at(buffer, at)
            at += 1
            if missing == 0:
                if byte != _ZERO:
                    return NOT_MONEY
                continue
            if not is_digit(byte):
                return NOT_MONEY
            amount, missing = amount * 10 + byte - _ZERO, missing - 1
            if amount > AMOUNT_MINOR_MAX:
                return NOT_MONEY
    for _ in range(missing):
        amount *= 10
        if amount > AMOUNT_MINOR_MAX:
            return NOT_MONEY
    return -amount if negative else amount
