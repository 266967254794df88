"""A comparison that no payment meets is refused, on whichever side its literal is; any other one is allowed."""

import pytest

from fraudstream.engine.expression import PAYMENT_FIELDS, ExpressionError, Origin, Type, compile_expression
from fraudstream.engine.rule_set import RuleSetErrors, compile_rule_set


def compiled(source: str) -> None:
    compile_expression(source, PAYMENT_FIELDS, Type.BOOL, Origin("takeover/new.yaml", 9, 7))


def sentence_of(source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        compiled(source)
    return caught.value.sentence


CURRENCY = "it is a currency of ISO 4217, in capital letters."
COUNTRY = "it is a country of ISO 3166-1 alpha-2, two capital letters."
MCC = "it is a merchant category of four digits."
CHANNEL = "it is one of app, web, branch, atm, pos, phone, partner."


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("currency == 'eur'", f"currency is never 'eur': {CURRENCY} Nearest: 'EUR'."),
        ("'USd' != currency", f"currency is never 'USd': {CURRENCY} Nearest: 'USD'."),
        ("mcc == '541'", f"mcc is never '541': {MCC} Nearest: '0541'."),
        ("mcc in ('5411', '54')", f"mcc is never '54': {MCC} Nearest: '0054'."),
        ("mcc not in ('54110', '5411')", f"mcc is never '54110': {MCC}"),
        ("channel == 'APP'", f"channel is never 'APP'; {CHANNEL} Nearest: 'app'."),
        ("country == 'DEU'", f"country is never 'DEU': {COUNTRY} Nearest: 'DE'."),
        ("country == 'AUT'", f"country is never 'AUT': {COUNTRY} Nearest: 'AT'."),
        ("country in ('DE', 'fr')", f"country is never 'fr': {COUNTRY} Nearest: 'FR'."),
        ("country not in ('UK', 'DE')", f"country is never 'UK': {COUNTRY} Nearest: 'GB'."),
        ("country == currency", "country holds a country, currency a currency: they are never equal."),
        ("channel == direction", "channel holds a channel, direction a direction: they are never equal."),
        ("currency == mcc", "currency holds a currency, mcc a mcc: they are never equal."),
    ],
)
def test_a_text_that_a_field_never_has_is_refused_with_the_nearest_one(source: str, sentence: str) -> None:
    assert sentence_of(source) == sentence


def test_every_such_comparison_of_an_expression_is_shown_at_once() -> None:
    with pytest.raises(ExpressionError) as caught:
        compiled('country == "DEU" or country == "de" or mcc == "541"')
    shown = [(fault.column, fault.sentence.partition(":")[0]) for fault in caught.value.faults]
    assert shown == [
        (18, "country is never 'DEU'"),
        (38, "country is never 'de'"),
        (53, "mcc is never '541'"),
    ]


@pytest.mark.parametrize(("field", "most"), [("device_id", 128), ("account_id", 128), ("counterparty_bank", 35)])
def test_a_text_longer_than_its_field_is_refused(field: str, most: int) -> None:
    compiled(f"{field} == '{'x' * most}'")
    sentence = f"{field} is never a text of {most + 1} characters: it has at most {most}."
    assert sentence_of(f"{field} in ('x', '{'x' * (most + 1)}')") == sentence


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("lat > 200", "'lat > 200' is never true: lat is from -90 to 90."),
        ("-181 > lon", "'-181 > lon' is never true: lon is from -180 to 180."),
        ("lat == 91", "'lat == 91' is never true: lat is from -90 to 90."),
        ("amount < 0", "'amount < 0' is never true: amount is never below 0."),
        ("not amount >= 0", "'amount >= 0' is always true, so 'not' of it is not: amount is never below 0."),
        ("amount == -5", "'amount == -5' is never true: amount is never below 0."),
        ("hour > 23", "'hour > 23' is never true: hour is from 0 to 23."),
        ("hour == 24 or weekday == 7", "'hour == 24' is never true: hour is from 0 to 23."),
        ("weekday == 7", "'weekday == 7' is never true: weekday is from 0 to 6."),
        ("abs(lat) > 90.5", "'abs(lat) > 90.5' is never true: abs(lat) is from 0 to 90."),
        ("max(hour, 3) < 3", "'max(hour, 3) < 3' is never true: max(hour, 3) is from 3 to 23."),
        ("hour + weekday >= 30", "'hour + weekday >= 30' is never true: hour + weekday is from 0 to 29."),
    ],
)
def test_a_bound_that_no_value_passes_is_refused(source: str, sentence: str) -> None:
    assert sentence_of(source) == sentence


@pytest.mark.parametrize(
    ("source", "second", "first"),
    [
        ("hour > 22 and hour < 6", "hour < 6", "hour > 22"),
        ("not (hour <= 22 or not (weekday > 4 and 6 > hour))", "6 > hour", "not hour <= 22"),
        ("amount > 100 and (card_present or amount < 50 and amount > 60)", "amount > 60", "amount < 50"),
        ("channel == 'app' and channel == 'web'", "channel == 'web'", "channel == 'app'"),
        ("channel in ('app',) and channel != 'app'".replace(",)", ")"), "channel != 'app'", "channel in ('app')"),
        ("device_id is missing and device_id == 'd'", "device_id == 'd'", "device_id is missing"),
        ("card_present and not card_present", "not card_present", "card_present"),
        ("amount < 100 and not amount < 200", "not amount < 200", "amount < 100"),
        ("mcc == '6011' and starts_with(mcc, '5')", "starts_with(mcc, '5')", "mcc == '6011'"),
        ("matches(mcc, '^6') and mcc in ('5411', '5412')", "mcc in ('5411', '5412')", "matches(mcc, '^6')"),
        ("channel == 'app' and not contains(channel, 'pp')", "not contains(channel, 'pp')", "channel == 'app'"),
        ("contains(ip, ':') and not contains(ip, ':')", "not contains(ip, ':')", "contains(ip, ':')"),
        ("device_id is missing and ends_with(device_id, 'x')", "ends_with(device_id, 'x')", "device_id is missing"),
        ("amount == 5 and amount > 5", "amount > 5", "amount == 5"),
    ],
)
def test_comparisons_that_no_payment_meets_together_are_refused(source: str, second: str, first: str) -> None:
    due = f"'{second}' and '{first}' are never true together. Was 'or' meant, or another value?"
    assert sentence_of(source) == due


@pytest.mark.parametrize(
    "source",
    [
        "amount >= 0",
        "amount <= 0",
        "hour < 24 and hour >= 22",
        "hour < 12.5",
        "hour == 12.0",
        "amount == 12.505",
        "amount < 00_000_000_000_000_000_012",
        "mcc == '6011' and starts_with(mcc, '60')",
        "mcc != '6011' and starts_with(mcc, '60')",
        "starts_with(device_id, 'a') and not starts_with(device_id, 'ab')",
        "lat <= 90",
        "lat > -91",
        "balance_after < 0",
        "amount < 0.001",  # a currency of three decimals
        "amount > 100 or amount < 50",
        "amount >= 100.001 and amount <= 100",  # both are 100.00 in a currency of two decimals
        "hour >= 22 or hour < 6",
        "hour >= 6 and hour <= 6",
        "channel in ('app', 'web') and channel != 'web'",
        "mcc == '0000'",
        "counterparty_id == account_id",
        "amount / balance_before < -3",
        "1 == 2 or hour == 3",
    ],
)
def test_a_comparison_that_some_payment_meets_is_allowed(source: str) -> None:
    compiled(source)


FEATURES = """
version: 1
attributes: {segment: text}
entities: {account: {key: account_id}}
features:
  account.last_channel: {aggregate: last, of: channel}
  account.last_mcc: {aggregate: last, of: mcc}
  account.payments_1h: {aggregate: count, window: 1h}
  account.fraud_share: {aggregate: share, of: fraud, window: 30d}
  account.since: {aggregate: since_last}
  shifted: {derive: hour - 24}
"""
RULE = """
id: 7c0e6a3e-5f5c-4d0f-9d5e-6f0d5a1e2b11
title: t
status: live
severity: low
message: m
when: """


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ("account.last_channel == 'apps'", f"account.last_channel is never 'apps'; {CHANNEL} Nearest: 'app'."),
        ("account.last_mcc in ('5411', '54')", f"account.last_mcc is never '54': {MCC} Nearest: '0054'."),
        ("account.last_channel != mcc", "account.last_channel holds a channel, mcc a mcc: they are never equal."),
        ("account.payments_1h < 0", "'account.payments_1h < 0' is never true: account.payments_1h is never below 0."),
        ("account.fraud_share > 1", "'account.fraud_share > 1' is never true: account.fraud_share is from 0 to 1."),
        ("account.since < 0s", "'account.since < 0s' is never true: account.since is never below 0."),
        ("shifted > 0", "'shifted > 0' is never true: shifted is from -24 to -1."),
    ],
)
def test_what_a_feature_never_has_is_refused_in_rules(when: str, sentence: str) -> None:
    with pytest.raises(RuleSetErrors) as caught:
        compile_rule_set({"features.yaml": FEATURES, "probe/never.yaml": RULE + when})
    assert [fault.sentence for fault in caught.value.faults] == [sentence]


def test_an_attribute_may_be_a_text_longer_than_an_identifier() -> None:
    long = RULE + f"attributes.segment == '{'s' * 1_000}'"
    assert compile_rule_set({"features.yaml": FEATURES, "probe/long.yaml": long}).rules


def test_a_rule_set_that_was_in_force_before_is_read_as_it_is() -> None:
    features = FEATURES + "  account.never: {aggregate: count, window: 1h, where: mcc == '541'}\n"
    never = "country == 'DEU' or hour > 22 and hour < 6 or lat > 200 or account.last_channel == 'apps'"
    texts = {"features.yaml": features, "probe/never.yaml": RULE + never}
    with pytest.raises(RuleSetErrors):
        compile_rule_set(texts)
    assert compile_rule_set(texts, accepted=True).rules[0].when.source == never


def test_filters_and_guards_of_the_score_are_held_to_the_same_values() -> None:
    features = FEATURES + "  account.never: {aggregate: count, window: 1h, where: mcc == '541'}\n"
    score = "threshold: 0.5\nparts: [{part: p, weight: 1, value: account.last_channel == 'apps'}]"
    with pytest.raises(RuleSetErrors) as in_filter:
        compile_rule_set({"features.yaml": features})
    with pytest.raises(RuleSetErrors) as in_score:
        compile_rule_set({"features.yaml": FEATURES, "score.yaml": score})
    assert "mcc is never '541'" in str(in_filter.value)
    assert "account.last_channel is never 'apps'" in str(in_score.value)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("hour == 12.5", "hour is always a whole number."),
        ("1.5 != weekday", "weekday is always a whole number."),
        (
            "amount > 10_000_000_000_000_000",
            "'amount > 10_000_000_000_000_000' is never true: amount is from 0 to 1e+15 minor units.",
        ),
        ("amount > 123_456_789_012_345_678_901", "this number has more than 20 digits."),
    ],
)
def test_a_number_that_no_value_reaches_is_refused(source: str, sentence: str) -> None:
    assert sentence_of(source) == sentence
