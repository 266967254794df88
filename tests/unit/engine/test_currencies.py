"""`currencies.yaml`: what is read, what is refused, and how it is part of a rule set."""

from __future__ import annotations

import pytest

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.engine.conversion import RATE_UNIT
from fraudstream.engine.rule_set import RuleSet, RuleSetErrors, compile_rule_set
from fraudstream.engine.state_difference import state_difference

FEATURES = "version: 1\nentities: {account: {key: account_id, slots: 4}}\n"


def compiled(currencies: str | None) -> RuleSet:
    texts = {"features.yaml": FEATURES}
    return compile_rule_set(texts if currencies is None else {**texts, "currencies.yaml": currencies})


def rates(text: str, base: str = "EUR") -> dict[str, int]:
    currencies = compiled(f"base: {base}\nrates: {{{text}}}\n").currencies
    assert currencies is not None
    return dict(currencies.rates)


@pytest.mark.parametrize(
    ("base", "text", "rate"),
    [
        ("EUR", 'USD: "0.9132"', 913_200_000_000),
        ("EUR", "USD: 1", RATE_UNIT),
        ("EUR", "JPY: 0.0061", 610_000_000_000),  # 0.61 cents for a yen
        ("EUR", 'KWD: "3.0300"', 303_000_000_000),  # 0.303 cents for a fils
        ("JPY", 'EUR: "163.93"', 1_639_300_000_000),
        ("KWD", "JPY: 0.002", 2 * RATE_UNIT),
        ("EUR", "JPY: 0.00000000000001", 1),
        ("IRR", "EUR: 1250000", 1_250_000 * RATE_UNIT),
    ],
)
def test_a_rate_counts_minor_units_of_both_currencies(base: str, text: str, rate: int) -> None:
    assert list(rates(text, base).values()) == [rate]


def test_the_base_may_be_listed_with_the_rate_1() -> None:
    assert rates("EUR: 1.00, USD: 0.9") == {"USD": 900_000_000_000}


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("base: EUX\nrates: {USD: 1}", 1, "'EUX' is not a currency of ISO 4217, such as EUR."),
        (
            "base: EUR\nrates:\n  usd: 1",
            3,
            "'usd' is not a currency of ISO 4217, such as EUR. Write it in capitals",
        ),
        ("base: EUR\nrates:\n  USD: 0.00", 3, "the rate of USD is 0: it must be above 0."),
        ("base: EUR\nrates:\n  USD: -1.5", 3, "must be a decimal number above 0, such as '0.9132', not '-1.5'"),
        ("base: EUR\nrates:\n  USD: 9e-1", 3, "must be a decimal number above 0"),
        ("base: EUR\nrates:\n  USD: '0,91'", 3, "must be a decimal number above 0"),
        ("base: EUR\nrates:\n  USD: [1]", 3, "the rate of USD must be a single value, not a list."),
        ("base: EUR\nrates:\n  USD: 0.1234567890123", 3, "has 13 decimals: at most 12 are counted. Round it."),
        ("base: JPY\nrates:\n  KWD: 0.1234567891", 3, "has 10 decimals: at most 9 are counted"),
        ("base: EUR\nrates:\n  USD: 5000001", 3, "too large: at most 5,000,000 minor units of EUR for one of USD."),
        ("base: EUR\nrates:\n  EUR: 1.1\n  USD: 1", 3, "the rate of EUR, the base, is '1.1': it can only be 1."),
        ("base: EUR\nrates:\n  USD: 1\n  USD: 2", 4, "rates has the key 'USD' twice: here and on line 3."),
        ("base: EUR\nrates: {}", 2, "rates lists no currency"),
        ("base: EUR", 1, "lacks the key 'rates'"),
        ("base: EUR\nrates: {USD: 1}\nbasis: USD", 3, "has no key 'basis'. Nearest: 'base'"),
        ("base: EUR\nrates: 1", 2, "rates must be a mapping"),
    ],
)
def test_a_fault_is_shown_where_it_is(text: str, line: int, sentence: str) -> None:
    with pytest.raises(RuleSetErrors) as raised:
        compiled(text)
    [fault] = [fault for fault in raised.value.faults if sentence in fault.sentence]
    assert (fault.path, fault.line) == ("currencies.yaml", line)


def test_the_digest_counts_what_the_rates_are_and_not_how_they_are_written() -> None:
    one = compiled("base: EUR\nrates: {USD: 0.9, JPY: '0.006'}")
    assert compiled("rates: # of a day\n  JPY: 0.0060\n  EUR: 1\n  USD: '0.90'\nbase: EUR").digest == one.digest
    assert compiled("base: EUR\nrates: {USD: 0.91, JPY: '0.006'}").digest != one.digest
    assert compiled("base: CHF\nrates: {USD: 0.9, JPY: '0.006'}").digest != one.digest
    assert compiled(None).digest not in (one.digest, "")


def test_without_the_file_the_digest_is_that_of_before() -> None:
    assert compiled(None).digest == "3e26640d66db3a88"
    assert compiled(None).currencies is None


def test_the_file_travels_with_the_rule_set() -> None:
    text = "base: EUR\nrates: {USD: 0.9}"
    assert compiled(text).files["currencies.yaml"] == text


def test_rates_may_change_in_one_process_and_not_behind_other_stages() -> None:
    one, other = compiled("base: EUR\nrates: {USD: 0.9}"), compiled("base: EUR\nrates: {USD: 0.8}")
    assert state_difference(one, other, forwarded=False) is None
    assert "currencies.yaml differs" in str(state_difference(one, other, forwarded=True))
    assert state_difference(one, one, forwarded=True) is None


def test_all_currencies_of_iso_4217_can_be_the_base_of_all_others() -> None:
    for base in EXPONENTS:
        others = ", ".join(f"{code}: 1" for code in EXPONENTS if code != base)
        assert len(rates(others, base)) == len(EXPONENTS) - 1
