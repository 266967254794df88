"""Plain dates and times of RFC 3339 to milliseconds since the epoch."""

from __future__ import annotations

from typing import Final

from fraudstream.compiled.jit import jit
from fraudstream.engine.arrays import UInt8Array
from fraudstream.engine.scan.tokens import COLON, MINUS, POINT, byte_at, is_digit

NOT_A_MOMENT: Final = -(1 << 62)

_ZERO, _PLUS, _T, _Z = 0x30, 0x2B, 0x54, 0x5A
_NOT_DIGITS = -10_000  # below any sum with another pair of digits
_MILLISECOND_DIGITS, _MICROSECOND_DIGITS, _FRACTION_DIGITS_MAX = 3, 6, 9


@jit
def moment_ms(buffer: UInt8Array, at: int, end: int) -> int:
    """ms since the epoch, UTC, of `YYYY-MM-DDTHH:MM:SS`, a fraction of up to nine digits or none, and `Z` or an offset
    such as `+02:00`; rounded down. `NOT_A_MOMENT` for any other text. `end`: at least 20 bytes after `at`."""
    separators = (
        byte_at(buffer, at + 4) == MINUS and byte_at(buffer, at + 7) == MINUS and byte_at(buffer, at + 10) == _T
    )
    if not separators or byte_at(buffer, at + 13) != COLON or byte_at(buffer, at + 16) != COLON:
        return NOT_A_MOMENT
    year = _pair(buffer, at) * 100 + _pair(buffer, at + 2)
    month, day = _pair(buffer, at + 5), _pair(buffer, at + 8)
    hour, minute, second = _pair(buffer, at + 11), _pair(buffer, at + 14), _pair(buffer, at + 17)
    if year < 1 or not (1 <= month <= 12) or not (1 <= day <= _days_in(year, month)):
        return NOT_A_MOMENT
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return NOT_A_MOMENT
    milliseconds, at = _fraction(buffer, at + 19)
    offset = _offset_minutes(buffer, at, end)
    if milliseconds < 0 or offset == NOT_A_MOMENT:
        return NOT_A_MOMENT
    return (
        ((_days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
    ) * 1000 + milliseconds


@jit
def _pair(buffer: UInt8Array, at: int) -> int:
    """The number of two digits; `_NOT_DIGITS` if one is none."""
    tens, ones = byte_at(buffer, at) - _ZERO, byte_at(buffer, at + 1) - _ZERO
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else _NOT_DIGITS


@jit
def _fraction(buffer: UInt8Array, at: int) -> tuple[int, int]:
    """Milliseconds, rounded down, of the fraction of a second at `at`, which may be missing, and where it ends; -1 ms
    if it is not plain.

    msgspec rounds to microseconds first: .9999996 is the next second. A fraction that may be rounded to the next
    millisecond is not plain.
    """
    if byte_at(buffer, at) != POINT:
        return 0, at
    at += 1
    milliseconds, micros, digits = 0, 0, 0
    while digits < _FRACTION_DIGITS_MAX and is_digit(byte_at(buffer, at)):
        digit = byte_at(buffer, at) - _ZERO
        if digits < _MILLISECOND_DIGITS:
            milliseconds = milliseconds * 10 + digit
        elif digits < _MICROSECOND_DIGITS:
            micros = micros * 10 + digit
        at, digits = at + 1, digits + 1
    if digits == 0 or (digits > _MICROSECOND_DIGITS and micros == 999):
        return -1, at
    for _ in range(digits, _MILLISECOND_DIGITS):
        milliseconds *= 10
    return milliseconds, at


@jit
def _offset_minutes(buffer: UInt8Array, at: int, end: int) -> int:
    """Minutes that local time is ahead of UTC, by the zone from `at` to `end`; `NOT_A_MOMENT` if it is not plain."""
    sign = byte_at(buffer, at)
    if at + 1 == end and sign == _Z:
        return 0
    if at + 6 != end or (sign != _PLUS and sign != MINUS) or byte_at(buffer, at + 3) != COLON:
        return NOT_A_MOMENT
    hours, minutes = _pair(buffer, at + 1), _pair(buffer, at + 4)
    if not (0 <= hours <= 23 and 0 <= minutes <= 59):
        return NOT_A_MOMENT
    return hours * 60 + minutes if sign == _PLUS else -(hours * 60 + minutes)


@jit
def _days_in(year: int, month: int) -> int:
    """Days of a month of the Gregorian calendar."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


@jit
def _days_since_epoch(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date. Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil:
    years begin in March, so that the leap day is the last."""
    if month <= 2:
        year, month = year - 1, month + 12
    century = year // 100
    return 365 * year + year // 4 - century + century // 4 + (153 * (month - 3) + 2) // 5 + day - 719_469
