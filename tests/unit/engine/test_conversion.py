"""Conversion of amounts: exact, to the nearest minor unit, half to even, and never beyond the largest amount."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.currency import AMOUNT_MINOR_MAX, EXPONENTS
from fraudstream.engine.columns import currency_code, currency_number
from fraudstream.engine.conversion import RATE_MAX, RATE_UNIT, convert_column
from fraudstream.engine.published_amount import CURRENCY_NUMBERS, published, published_amount, published_currency

_amounts = st.one_of(st.integers(0, 10**6), st.integers(0, AMOUNT_MINOR_MAX))
_rates = st.one_of(st.integers(1, 10**7), st.integers(RATE_UNIT // 1000, RATE_UNIT * 1000), st.integers(1, RATE_MAX))


def converted(amount_minor: int, rate: int) -> int:
    column = np.array([amount_minor], np.float64)
    convert_column(column, np.array([7], np.uint16), np.array([0] * 7 + [rate], np.int64))
    assert column[0] == int(column[0])
    return int(column[0])


def exactly(amount_minor: int, rate: int) -> int:
    """By integers of any size."""
    whole, rest = divmod(abs(amount_minor) * rate, RATE_UNIT)
    whole += 2 * rest > RATE_UNIT or (2 * rest == RATE_UNIT and whole % 2 == 1)
    size = min(whole, AMOUNT_MINOR_MAX)
    return size if amount_minor >= 0 else -size


@given(amount=_amounts, rate=_rates, negative=st.booleans())
def test_the_product_is_exact_and_rounded_once(amount: int, rate: int, negative: bool) -> None:
    signed = -amount if negative else amount
    assert converted(signed, rate) == exactly(signed, rate)


def test_a_half_goes_to_the_even_neighbour() -> None:
    half = RATE_UNIT // 2
    assert [converted(amount, half) for amount in (1, 3, 5, 7, -1, -3)] == [0, 2, 2, 4, 0, -2]
    assert [converted(1, half + 1), converted(1, half - 1), converted(3, half - 1)] == [1, 0, 1]


def test_the_largest_products_stay_within_the_largest_amount() -> None:
    assert converted(AMOUNT_MINOR_MAX, RATE_UNIT) == AMOUNT_MINOR_MAX
    assert converted(AMOUNT_MINOR_MAX - 1, RATE_UNIT) == AMOUNT_MINOR_MAX - 1
    assert converted(AMOUNT_MINOR_MAX, RATE_UNIT + 1) == AMOUNT_MINOR_MAX
    assert converted(AMOUNT_MINOR_MAX, RATE_MAX) == AMOUNT_MINOR_MAX
    assert converted(-AMOUNT_MINOR_MAX, RATE_MAX) == -AMOUNT_MINOR_MAX


def test_missing_amounts_and_currencies_without_a_rate_stay_as_they_are() -> None:
    column = np.array([np.nan, 55.0])
    convert_column(column, np.array([0, 1], np.uint16), np.array([RATE_UNIT * 2, 0], np.int64))
    assert np.isnan(column[0])
    assert column[1] == 55.0


def test_every_currency_has_a_number_that_says_which_it_is() -> None:
    numbers = {code: currency_number(code) for code in EXPONENTS}
    assert {code: currency_code(number) for code, number in numbers.items()} == {code: code for code in EXPONENTS}
    assert min(numbers.values()) > 0
    assert max(numbers.values()) < CURRENCY_NUMBERS


@given(amount=st.integers(0, AMOUNT_MINOR_MAX), code=st.sampled_from(sorted(EXPONENTS)))
def test_a_published_amount_is_one_number(amount: int, code: str) -> None:
    currency = currency_number(code)
    one = np.uint64(published(amount, currency))
    assert one != 0
    assert (published_amount(one, 5), published_currency(one, 5)) == (amount, currency)
    assert (published_amount(np.uint64(0), 5), published_currency(np.uint64(0), 6)) == (5, 6)
