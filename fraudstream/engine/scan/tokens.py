"""The tokens of plain JSON: white space, the end of a text, the three literals, numbers.

`end` is where the value ends. Its last byte is a closing brace, and no token of plain JSON goes past a brace: so a
function that begins before `end` stops before it, or at what is no plain token.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.compiled.memory import first_special, load_word
from fraudstream.engine.arrays import Float64Array, UInt8Array

NOT_PLAIN = -1

QUOTE, COMMA, MINUS, POINT, COLON, OPEN, CLOSE = 0x22, 0x2C, 0x2D, 0x2E, 0x3A, 0x7B, 0x7D

_SPACE, _TAB, _LINE_FEED, _RETURN = 0x20, 0x09, 0x0A, 0x0D
_ZERO, _NINE = 0x30, 0x39
_BLOCK = 32  # bytes that `first_special` looks at
_FOUR_BYTES, _FIVE_BYTES = np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFFFF)
_TRUE, _NULL = (np.uint64(int.from_bytes(word, "little")) for word in (b"true", b"null"))
_FALSE = np.uint64(int.from_bytes(b"false", "little"))
_DIGITS_MAX = 18  # so that they fit int64
_EXACT_MAX = 1 << 53  # whole numbers up to this are exact in float64


@jit
def unsigned(index: int) -> np.uint64:
    """An index that is not negative, in the type that numba looks up fastest: a signed one may count from the end."""
    return np.uint64(index)


@jit
def byte_at(buffer: UInt8Array, at: int) -> int:
    """One byte, as an integer that can be calculated with."""
    byte: int = np.int64(buffer[unsigned(at)])  # type: ignore[assignment]
    return byte


@jit
def is_digit(byte: int) -> bool:
    """Whether it is an ASCII digit."""
    return _ZERO <= byte <= _NINE


@jit
def is_space(byte: int) -> bool:
    """Whether it is JSON's white space."""
    return byte in (_SPACE, _LINE_FEED, _RETURN, _TAB)


@jit
def after_space(buffer: UInt8Array, at: int, end: int) -> int:
    """Where the white space from `at` on ends, `end` at the latest."""
    while at < end and byte_at(buffer, at) <= _SPACE and is_space(byte_at(buffer, at)):
        at += 1
    return at


@jit
def closing_quote(buffer: UInt8Array, at: int, end: int) -> int:
    """Where the closing quote of the plain text from `at` on is; `NOT_PLAIN` if it has an escape, a control character
    or a character outside ASCII."""
    while at < end:
        special = first_special(buffer, at)
        at += special
        if special < _BLOCK:
            return at if at < end and byte_at(buffer, at) == QUOTE else NOT_PLAIN
    return NOT_PLAIN


@jit
def after_flag(buffer: UInt8Array, at: int) -> int:
    """Where `true` or `false` ends; `NOT_PLAIN` if neither stands at `at`."""
    word = load_word(buffer, at)
    if word & _FOUR_BYTES == _TRUE:
        return at + 4
    return at + 5 if word & _FIVE_BYTES == _FALSE else NOT_PLAIN


@jit
def after_null(buffer: UInt8Array, at: int) -> int:
    """Where `null` ends; `NOT_PLAIN` if it does not stand at `at`."""
    return at + 4 if load_word(buffer, at) & _FOUR_BYTES == _NULL else NOT_PLAIN


@jit
def read_number(buffer: UInt8Array, at: int, power_of_ten: Float64Array) -> tuple[float, bool, int]:
    """A number: its value, whether it is whole (has no point), and where it ends, `NOT_PLAIN` if it is no plain one.

    The value is the float64 nearest to the decimal number: both operands of the one division are exact, and division
    rounds correctly. Source: Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990. As in msgspec, -0 is
    0.0, and -0.0 is -0.0. A number of more digits ends before its last ones, which are no token. `power_of_ten`: 10**k,
    float64, for k up to 22.
    """
    negative = byte_at(buffer, at) == MINUS
    first = at + 1 if negative else at
    at, digits = first, 0
    while is_digit(byte_at(buffer, at)) and at - first < _DIGITS_MAX:
        digits = digits * 10 + byte_at(buffer, at) - _ZERO
        at += 1
    whole, before, decimals = byte_at(buffer, at) != POINT, at - first, 0
    if before == 0 or (byte_at(buffer, first) == _ZERO and before > 1):
        return 0.0, whole, NOT_PLAIN
    if not whole:
        at += 1
        while is_digit(byte_at(buffer, at)) and before + decimals < _DIGITS_MAX:
            digits = digits * 10 + byte_at(buffer, at) - _ZERO
            at, decimals = at + 1, decimals + 1
        if decimals == 0:
            return 0.0, whole, NOT_PLAIN
    if digits > _EXACT_MAX:
        return 0.0, whole, NOT_PLAIN
    value = float(digits) / power_of_ten[decimals]
    return (-value if negative and not (whole and digits == 0) else value), whole, at
