from decimal import Decimal

import pytest

from fraudstream.contracts import EXPONENTS, amount_text


@pytest.mark.parametrize(
    ("currency", "exponent"),
    [
        ("EUR", 2),
        ("USD", 2),
        ("GBP", 2),
        ("CHF", 2),
        ("INR", 2),
        ("HUF", 2),
        ("MGA", 2),
        ("MRU", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("CLP", 0),
        ("ISK", 0),
        ("VND", 0),
        ("XAF", 0),
        ("XOF", 0),
        ("XPF", 0),
        ("UYI", 0),
        ("KWD", 3),
        ("BHD", 3),
        ("TND", 3),
        ("OMR", 3),
        ("JOD", 3),
        ("LYD", 3),
        ("IQD", 3),
        ("CLF", 4),
        ("UYW", 4),
    ],
)
def test_a_currency_has_the_decimals_of_iso_4217(currency: str, exponent: int) -> None:
    assert EXPONENTS[currency] == exponent


def test_currencies_are_three_capital_letters_and_mostly_of_two_decimals() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in EXPONENTS)
    assert sorted(EXPONENTS.values()).count(2) == len(EXPONENTS) - 17 - 7 - 2


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "BTC", "eur", "HRK"])
def test_codes_that_are_not_payment_currencies_are_not_listed(code: str) -> None:
    assert code not in EXPONENTS


@pytest.mark.parametrize("currency", ["JPY", "EUR", "KWD", "CLF"])
@pytest.mark.parametrize("amount_minor", [0, 1, 9, 10, 99, 100, 999, 1000, 123_456_789, 10**15, -1, -100, -12_345])
def test_an_amount_is_written_exactly_with_all_its_decimals(currency: str, amount_minor: int) -> None:
    text = amount_text(amount_minor, currency)
    assert Decimal(text).scaleb(EXPONENTS[currency]) == amount_minor
    assert -int(Decimal(text).as_tuple().exponent) == EXPONENTS[currency]
