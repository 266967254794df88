"""Decimal strings to minor units: exact, for every exponent ISO 4217 has, and each fault called by its name."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.currency import AMOUNT_MINOR_MAX, EXPONENTS
from fraudstream.engine.amounts import GOOD, NEGATIVE, NOT_DECIMAL, SENTENCES, TOO_LARGE, TOO_PRECISE, parse_amounts
from tests.property.profile import EXAMPLES


def parsed(text: str, exponent: int = 2, signed: bool = False) -> tuple[int, int]:
    amounts, faults = parse_amounts([text], np.array([exponent], np.int8), signed)
    return int(amounts[0]), int(faults[0])


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", "EUR", 1250),
        ("12", "EUR", 1200),
        ("0", "EUR", 0),
        ("0.01", "EUR", 1),
        ("00012.50", "EUR", 1250),
        ("12.5000", "EUR", 1250),
        ("1250", "JPY", 1250),
        ("1250.00", "JPY", 1250),
        ("1.234", "KWD", 1234),
        ("1.2", "KWD", 1200),
        ("1.2345", "CLF", 12345),
        ("10000000000000.00", "EUR", AMOUNT_MINOR_MAX),
        ("1000000000000000", "JPY", AMOUNT_MINOR_MAX),
    ],
)
def test_an_amount_is_its_minor_units(text: str, currency: str, minor: int) -> None:
    assert parsed(text, EXPONENTS[currency]) == (minor, GOOD)


@pytest.mark.parametrize(
    ("text", "exponent", "fault"),
    [
        ("", 2, NOT_DECIMAL),
        (".", 2, NOT_DECIMAL),
        (".5", 2, NOT_DECIMAL),
        ("5.", 2, NOT_DECIMAL),
        ("1.2.3", 2, NOT_DECIMAL),
        ("1,5", 2, NOT_DECIMAL),
        ("1e3", 2, NOT_DECIMAL),
        ("+1", 2, NOT_DECIMAL),
        ("--1", 2, NOT_DECIMAL),
        ("1-", 2, NOT_DECIMAL),
        ("-", 2, NOT_DECIMAL),
        (" 1", 2, NOT_DECIMAL),
        ("1 ", 2, NOT_DECIMAL),
        ("0x10", 2, NOT_DECIMAL),
        ("1_000", 2, NOT_DECIMAL),
        ("NaN", 2, NOT_DECIMAL),
        ("Infinity", 2, NOT_DECIMAL),
        ("１２", 2, NOT_DECIMAL),  # digits to Unicode, not to money
        ("1\n2", 2, NOT_DECIMAL),
        ("1\0", 2, NOT_DECIMAL),
        ("1.005x", 2, NOT_DECIMAL),
        ("1.005", 2, TOO_PRECISE),
        ("0.5", 0, TOO_PRECISE),
        ("1.2345", 3, TOO_PRECISE),
        ("10000000000000.01", 2, TOO_LARGE),
        ("1000000000000001", 0, TOO_LARGE),
        ("9" * 24, 0, TOO_LARGE),
        ("9" * 24, 4, TOO_LARGE),
        ("-1", 2, NEGATIVE),
        ("-0", 2, NEGATIVE),
    ],
)
def test_each_fault_has_its_name_and_a_sentence(text: str, exponent: int, fault: int) -> None:
    assert parsed(text, exponent) == (0, fault)
    assert SENTENCES[fault]


@pytest.mark.parametrize(("text", "minor"), [("-12.50", -1250), ("-0", 0), ("-0.01", -1), ("7", 700)])
def test_a_balance_may_be_negative(text: str, minor: int) -> None:
    assert parsed(text, 2, signed=True) == (minor, GOOD)


def test_no_amounts_are_no_fault() -> None:
    amounts, faults = parse_amounts([], np.zeros(0, np.int8))
    assert (amounts.tolist(), faults.tolist()) == ([], [])


def test_a_line_break_in_one_amount_shifts_no_other() -> None:
    amounts, faults = parse_amounts(["1", "2\n3", "4"], np.zeros(3, np.int8))
    assert amounts.tolist() == [1, 0, 4]
    assert faults.tolist() == [GOOD, NOT_DECIMAL, GOOD]


@EXAMPLES
@given(
    texts=st.lists(st.text("0123456789.-e\n", max_size=24), max_size=8),
    exponent=st.integers(0, 4),
    signed=st.booleans(),
)
def test_amounts_are_what_decimal_says(texts: list[str], exponent: int, signed: bool) -> None:
    amounts, faults = parse_amounts(texts, np.full(len(texts), exponent, np.int8), signed)
    for text, amount, fault in zip(texts, amounts.tolist(), faults.tolist(), strict=True):
        assert (amount if fault == GOOD else None) == _by_decimal(text, exponent, signed), text


def _by_decimal(text: str, exponent: int, signed: bool) -> int | None:
    """The amount as Python's decimal arithmetic has it; None for none."""
    digits = text.removeprefix("-")
    whole, point, part = digits.partition(".")
    plain = whole.isdecimal() and (part.isdecimal() if point else True)
    if not plain or (text.startswith("-") and not signed):
        return None
    with localcontext() as context:
        context.prec = 60
        minor = Decimal(text).scaleb(exponent)
    return int(minor) if minor == int(minor) and abs(minor) <= AMOUNT_MINOR_MAX else None
