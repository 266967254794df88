"""Amounts in text: every notation of one meaning is read, every other is refused, and a sign is read as its amount."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.backtest.mapping import MappingError
from fraudstream.backtest.row_report import RowReport
from tests.property.profile import EXAMPLES
from tests.unit.backtest.mapped_rows import fault_of, mapping_of, read

SIGN = {"positive": "debit", "negative": "credit"}


def signed(texts: list[str], currency: str = "EUR", **options: Any) -> list[str | None]:
    """Each amount as read, with '-' before those whose sign gives a credit."""
    source = {"column": "amount", "absolute": True, **options}
    payment = {"amount": source, "direction": {"column": "amount", "sign": SIGN}}
    batch = read({"amount": texts, "currency": [currency] * len(texts)}, payment)
    return [f"{'-' if p.direction == 'credit' else ''}{p.amount}" for p in batch.payments]


@pytest.mark.parametrize(
    "text",
    ["-50.00", "\u221250.00", "\u201350.00", "50.00-", "(50.00)", "€-50.00", "-€50.00", "€ (50.00)", "- 50.00", "-50"],
)
def test_every_notation_of_a_negative_amount_gives_its_sign(text: str) -> None:
    assert signed(["€120.00", text, "+7.5"], strip="€") == ["120.00", "-50.00", "7.50"]


def test_zero_is_positive_with_and_without_a_sign() -> None:
    assert signed(["0.00", "-0.00", "(0)"]) == ["0.00", "0.00", "0.00"]


@pytest.mark.parametrize("text", ["--5", "-5-", "(-5)", "-5.00 CR"])
def test_an_amount_with_two_signs_is_refused(text: str) -> None:
    said = fault_of({"amount": [text]}, {"amount": {"column": "amount", "absolute": True, "signs": {"CR": "-"}}})
    assert said == f"payments.csv, row 1, column 'amount': {text!r} has more than one sign."


@pytest.mark.parametrize(
    ("options", "texts", "expected"),
    [
        ({"decimal": ",", "thousands": "."}, ["1.234,56", "12,50", "1234567,8", "-1.234.567,80"], None),
        ({"thousands": ","}, ["1,234.56", "12.50", "1234567.80", "-1,234,567.80"], None),
        ({"strip": "$,"}, ["$1,234.56", "$12.50", "1234567.80", "$-1,234,567.80"], None),
        ({"decimal": ",", "thousands": " "}, ["1 234,56", "12,5", "1\u00a0234\u202f567,80", "-1 234 567,8"], None),
        ({"thousands": "'"}, ["1'234.56", "12.50", "1\u2019234\u2019567.8", "-1'234'567.8"], None),
        ({"thousands": ","}, ["1,23,456.00"], ["123456.00"]),  # as in India
        ({"decimal": ",", "strip": "€"}, ["12,50 €", "€ 12,50"], ["12.50", "12.50"]),
    ],
)
def test_separators_are_those_that_the_mapping_names(
    options: dict[str, Any], texts: list[str], expected: list[str] | None
) -> None:
    assert signed(texts, **options) == (expected or ["1234.56", "12.50", "1234567.80", "-1234567.80"])


@pytest.mark.parametrize(
    ("options", "text", "sentence"),
    [
        ({}, "12,50", "If ',' separates decimals, set `decimal: ','`; if it separates thousands, set"),
        ({}, "1.234,56", "is not a decimal amount"),
        ({"strip": "$,"}, "12,50", "',' does not separate groups of three digits. If ',' is the decimal separator"),
        ({"strip": "$,"}, "1,2345", "does not separate groups of three digits"),
        ({"thousands": ","}, "1234,567", "does not separate groups of three digits"),
        ({"decimal": ",", "thousands": "."}, "12.50", "does not separate groups of three digits"),
        ({"decimal": ","}, "12.50", "if it separates thousands, set `thousands: '.'`"),
        ({"decimal": ","}, "1e3", "is not a decimal amount"),
        ({}, "1 234", "If it separates thousands, set `thousands: ' '`."),
        ({}, "$5", "such as a currency sign, can go into `strip`"),
        ({}, "5.00 CR", "If it is the sign, set `signs: {CR: '-', DR: '+'}`"),
        ({"strip": "CR "}, "5.00 CR", "says debit or credit, which strip removes"),
        ({"strip": "EUR"}, "1.2E3", "has an exponent, which strip removes"),
        (
            {},
            "1.250",
            "has three decimals, and EUR has 2. If '.' separates thousands, set `decimal: ','` and `thousands:",
        ),
        ({}, "1.234", "if it separates decimals, set `decimal: '.'`"),
        ({"decimal": "."}, "1.234", "1.234 has more decimals than the 2 of EUR"),
        ({}, "1.2.3", "is not a decimal amount"),
        ({}, "1_000", "set `thousands: '_'`"),
        ({}, "٣", "is not a decimal amount"),
        ({}, "-", "is not a decimal amount"),
        ({}, "()", "is not a decimal amount"),
        ({}, "1e999", "is"),
        ({}, "9" * 40, "is too large"),
    ],
)
def test_an_amount_that_may_mean_two_things_or_nothing_is_refused(
    options: dict[str, Any], text: str, sentence: str
) -> None:
    said = fault_of({"amount": ["1", text]}, {"amount": {"column": "amount", **options}})
    assert said.startswith("payments.csv, row 2, column 'amount': ")
    assert sentence in said


def test_words_for_debit_and_credit_are_signs_where_the_mapping_says_so() -> None:
    assert signed(["5.00 CR", "7.00DR", "CR 9"], signs={"CR": "-", "DR": "+"}) == ["-5.00", "7.00", "-9.00"]


@EXAMPLES
@given(
    minor=st.integers(-(10**12), 10**12),
    currency=st.sampled_from([("JPY", 0), ("EUR", 2), ("KWD", 3)]),
    separators=st.sampled_from([(".", ""), (",", "."), (".", ","), (",", " "), (".", "'")]),
    form=st.sampled_from(["-{}", "{}-", "({})", "\u2212{}", "€-{}", "-€{}", "- {} €"]),
)
def test_an_amount_written_in_any_notation_is_read_as_it_was(
    minor: int, currency: tuple[str, int], separators: tuple[str, str], form: str
) -> None:
    code, exponent = currency
    decimal, thousands = separators
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    whole, part = (digits[:-exponent], digits[-exponent:]) if exponent else (digits, "")
    written = f"{int(whole):,}".replace(",", thousands) + (decimal + part if part else "")
    expected = f"{'-' if minor < 0 else ''}{int(whole)}" + (f".{part}" if part else "")
    options = {"decimal": decimal, "strip": "€", "thousands": thousands or None}
    text = form.format(written) if minor < 0 else written
    assert signed([text], code, **{name: value for name, value in options.items() if value}) == [expected]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"strip": ".,"}, "'.' separates decimals, so it can't be removed as well. Set `decimal: ','`"),
        ({"decimal": ",", "strip": "€,"}, "',' separates decimals"),
        ({"decimal": ",", "thousands": ","}, "',' separates decimals"),
        ({"strip": "$-"}, "strip has '-', which change the amount"),
        ({"thousands": "x"}, "thousands is 'x'; it must be one of"),
        ({"signs": {"": "-"}}, "signs has ''"),
        ({"strip": "CR", "signs": {"CR": "-"}}, "signs has 'CR'"),
        ({"strip": ["EUR", "Dr."]}, "strip has 'Dr.', which says debit or credit"),
        ({"strip": ["EUR", ""]}, "strip has an empty word"),
        ({"strip": ["US-"]}, "strip has '-', which change the amount"),
        ({"strip": "Rs."}, "Strip the word instead: `strip: ['Rs.']`"),
        ({"decimal": ";"}, "payment.amount.decimal can't be ';'"),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_the_file_is_read(
    source: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(MappingError) as caught:
        mapping_of({"amount": {"column": "amount", **source}})
    assert sentence in str(caught.value)


def test_three_decimals_are_read_where_they_can_be_nothing_else() -> None:
    assert signed(["1.250"], "KWD") == ["1.250"]
    assert signed(["1.250", "0.500"], decimal=".") == ["1.25", "0.50"]
    assert signed(["0.500", "1250.000"]) == ["0.50", "1250.00"]
    assert signed(["1.255"], round=True) == ["1.26"]
    assert "set `decimal: ','` and `thousands: '.'`" in fault_of({"amount": ["1.000"], "currency": ["JPY"]})


def test_words_beside_an_amount_are_stripped_whole() -> None:
    texts = ["Rs. 1,23,456.50", "Rs.500.00", "500.00 INR", "-Rs.1.5E3"]
    assert signed(texts, "INR", strip=["Rs.", "INR"], thousands=",") == ["123456.50", "500.00", "500.00", "-1500.00"]
    assert signed(["kr. 1.234,50"], "DKK", strip=["kr."], decimal=",", thousands=".") == ["1234.50"]


def test_a_stripped_word_with_a_point_hides_no_ambiguity() -> None:
    source = {"amount": {"column": "amount", "strip": ["Rs."]}}
    assert "'Rs.1.250' has three decimals, and INR has 2" in fault_of(
        {"amount": ["Rs.1.250"], "currency": ["INR"]}, source
    )
    report = RowReport()
    read({"amount": ["Rs.500"], "currency": ["INR"]}, source, report)
    assert [notice[:46] for notice in report.notices] == ["The amounts in 'amount' are whole numbers, rea"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Rs. 500.00", "If 'Rs.' has no meaning, set `strip: ['Rs.']`."),
        ("Fr.500.00", "set `strip: ['Fr.']`."),
        ("NaN", "If it means that there is none, set `file: {null_values: ['NaN']}`."),
        ("'12.50", "is not a decimal amount."),
        ("1'234.50", 'it separates thousands, set `thousands: "\'"`.'),
    ],
)
def test_the_hint_of_an_amount_that_is_not_read_can_be_followed(text: str, hint: str) -> None:
    assert fault_of({"amount": [text]}).endswith(hint)
