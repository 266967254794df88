"""The orders of the queue, as whole numbers of 63 bits that an index can sort and compare.

The place of a row has what the order is by in its upper bits, and the beginning of the case id in its lower bits, so
that few rows have the same place. Those that have are in the order of their ids. Both parts ascend.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Literal, get_args

from fraudstream.console.case_row import CaseRow

Order = Literal["urgency", "score", "oldest", "newest"]
ORDERS: Final[tuple[Order, ...]] = get_args(Order)

SortKey = tuple[int, str]  # place, case_id

PLACE_MAX: Final = 2**63 - 1
_TIME_MS_MAX: Final = 2**52
_URGENCY_MAX: Final = 2**53
_SCORE_MAX: Final = 2**20 - 1  # in millionths: scores have six decimals and are at most 1
_ID_DIGITS: Final = 10  # of the case id, in the order by score
_TIME_BITS: Final = 8  # of the case id, in the other orders


def sort_key(row: CaseRow, order: Order) -> SortKey:
    """The place of `row` in the order, which is total: ascending, by case id where all else is equal."""
    return place_of(row, order), row.case_id


def place_of(row: CaseRow, order: Order) -> int:
    """The place of `row` in the order: 0 to 2**63 - 1."""
    return places_of(row)[ORDERS.index(order)]


def places_of(row: CaseRow) -> tuple[int, int, int, int]:
    """The places of `row` in all `ORDERS`."""
    beginning = _beginning(row.case_id)
    first = beginning >> (4 * _ID_DIGITS - _TIME_BITS)
    millionths = min(max(round(row.score * 1_000_000), 0), _SCORE_MAX)
    return (
        (_URGENCY_MAX - row.urgency) << _TIME_BITS | first,
        (_SCORE_MAX - millionths) << 4 * _ID_DIGITS | beginning,
        _time(row.opened_at_ms) << _TIME_BITS | first,
        (_TIME_MS_MAX - _time(row.updated_at_ms)) << _TIME_BITS | first,
    )


def places_opened(from_ms: int | None, before_ms: int | None) -> tuple[int | None, int | None]:
    """The first and last place in the order "oldest" of rows opened from `from_ms` to before `before_ms`."""
    return (
        None if from_ms is None else _time(from_ms) << _TIME_BITS,
        None if before_ms is None else (_time(before_ms) << _TIME_BITS) - 1,
    )


def opened_at_ms_in(place: int) -> int:
    """When the row at a place in the order "oldest" was opened."""
    return place >> _TIME_BITS


def places_updated(from_ms: int | None, before_ms: int | None) -> tuple[int | None, int | None]:
    """The first and last place in the order "newest" of rows last changed from `from_ms` to before `before_ms`."""
    return (
        None if before_ms is None else (_TIME_MS_MAX - _time(before_ms) + 1) << _TIME_BITS,
        None if from_ms is None else ((_TIME_MS_MAX - _time(from_ms) + 1) << _TIME_BITS) - 1,
    )


def _time(at_ms: int) -> int:
    return min(max(at_ms, 0), _TIME_MS_MAX)


def _beginning(case_id: str) -> int:
    """The value of the first `_ID_DIGITS` digits of an id."""
    text = case_id[:_ID_DIGITS]
    if len(text) == _ID_DIGITS and text.isascii() and text.isalnum() and text == text.lower():
        with suppress(ValueError):
            return int(text, 16)
    value = 0
    for character in text.ljust(_ID_DIGITS, "0"):
        value = value << 4 | _digit(character)
    return value


def _digit(character: str) -> int:
    """The value of a hexadecimal digit. Other characters have that of the digit before them, so that places are in the
    order of any ids."""
    if character <= "9":
        return max(ord(character) - ord("0"), 0)
    return min(max(ord(character) - ord("a") + 10, 9), 15)
