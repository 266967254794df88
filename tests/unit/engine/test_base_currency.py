"""Payments in several currencies under a base: what counts, what is shown, and what repeats and corrections compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec import structs

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.trial import trial_of
from fraudstream.engine.verdict import Verdicts

M, NOON = 60_000, 1_750_000_000_000
D = 24 * 60 * M
FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 4, panes: {width: 1d, count: 4}}
features:
  account.payments_1d: {aggregate: count, window: 1d}
  account.paid_1d: {aggregate: sum, of: amount, window: 1d}
  account.paid_3d: {aggregate: sum, of: amount, window: 3d, precision: pane}
  account.small_1d: {aggregate: count, window: 1d, where: amount <= 5}
  account.fraud_1d: {aggregate: share, of: fraud, window: 1d}
"""
LARGE = """
id: 00000000-0000-4000-8000-000000000001
title: Large
status: live
severity: high
outcome: review
when: amount > 100 and account.paid_1d >= 100 and balance_after < 50
message: "{amount} of {currency}, {account.paid_1d} in a day, {balance_after} left"
"""
EURO = "base: EUR\nrates: {USD: 0.9, JPY: 0.006, KWD: 3}\n"


def engine(currencies: str | None = EURO, features: str = FEATURES) -> Engine:
    texts = {"features.yaml": features, "amounts/large.yaml": LARGE}
    return Engine(compile_rule_set(texts if currencies is None else {**texts, "currencies.yaml": currencies}))


IN_EURO = engine()
AS_PUBLISHED = engine(None)


def pay(event_id: str, amount: str, currency: str, **more: Any) -> Payment:
    fields: dict[str, Any] = {"account_id": "a", "occurred_at": NOON, "direction": "debit"} | more
    return Payment(event_id=event_id, amount=amount, currency=currency, **fields)


def related(kind: str, event_id: str, of: str, amount: str, currency: str) -> Payment:
    return pay(event_id, amount, currency, kind=kind, relates_to=of, occurred_at=NOON + M)


def judge(log: Sequence[Payment | Label], by: Engine = IN_EURO, state: PartitionState | None = None) -> Verdicts:
    return by.judge(log, by.new_state() if state is None else state)


def paid(state: PartitionState, by: Engine = IN_EURO, currency: str = "EUR") -> float:
    """What a payment of nothing, which is added to the state, finds that the account paid in a day: minor units."""
    found = judge([pay(f"nothing {currency}", "0", currency, occurred_at=NOON + 2 * M)], by, state)
    return float(found.features["account.paid_1d"][0])


def state_after(log: Sequence[Payment | Label], by: Engine = IN_EURO) -> PartitionState:
    state = by.new_state()
    assert not judge(log, by, state).rejected
    return state


def test_sums_and_filters_count_all_currencies_in_the_base() -> None:
    log = [pay("e", "10.00", "EUR"), pay("u", "10.00", "USD"), pay("j", "1000", "JPY"), pay("k", "1.001", "KWD")]
    found = judge(log)
    assert found.features["account.paid_1d"].tolist() == [1000, 1900, 2500, 2800]
    assert found.features["account.small_1d"].tolist() == [0, 0, 0, 1]
    assert judge(log, AS_PUBLISHED).features["account.paid_1d"].tolist() == [1000, 1000, 1000, 1001]


def test_panes_sum_across_currencies_once_payments_have_left_the_ring() -> None:
    log = [pay(f"p{i}", "10.00", "EUR" if i % 2 else "USD", occurred_at=NOON + i * D // 4) for i in range(9)]
    assert judge(log).features["account.paid_3d"][-1] == 4 * 1000 + 5 * 900


def test_an_entity_of_amount_bands_is_found_by_the_converted_amount() -> None:
    entities, features = FEATURES.split("features:")
    band = "  band.payments_1d: {aggregate: count, window: 1d}\n"
    by_band = engine(features=f"{entities}  band: {{key: [amount_band], slots: 4}}\nfeatures:{features}{band}")
    log = [pay("e", "6.00", "EUR"), pay("j", "1000", "JPY"), pay("k", "2.000", "KWD")]
    assert judge(log, by_band).features["band.payments_1d"].tolist() == [1, 2, 3]


def test_an_alert_shows_the_base_beside_amounts_and_the_payment_as_it_was_published() -> None:
    payment = pay("k", "40.000", "KWD", balance_after="1.500", balance_before="-2.001")
    found = judge([payment])
    [alert] = decoded_alerts(found)
    assert alert.rules[0].message == "120.00 EUR of KWD, 120.00 EUR in a day, 4.50 EUR left"
    [amount, in_a_day, balance] = alert.rules[0].evidence
    assert (amount.value, amount.threshold, amount.margin) == ("120.00 EUR", "100.00 EUR", 0.2)
    assert (in_a_day.value, balance.value, balance.threshold) == ("120.00 EUR", "4.50 EUR", "50.00 EUR")
    assert [feature.value for feature in alert.features] == ["120.00 EUR"]
    assert alert.payment == payment
    assert found.columns.published_amount_minor.tolist() == [40_000]
    assert found.columns.column("balance_before").tolist() == [-600]  # no rule reads it
    assert found.columns.value("balance_before", 0) == -600
    assert trial_of(judge([payment])).alert == alert


def test_a_currency_without_a_rate_stays_as_it_is_and_is_counted() -> None:
    log = [pay("e", "1.00", "EUR"), pay("c", "7.00", "CHF"), pay("d", "8.00", "CHF"), pay("s", "9.00", "SEK")]
    found = judge(log)
    assert found.features["account.paid_1d"].tolist() == [100, 700, 1500, 900]
    assert found.columns.without_rate == {"CHF": 2, "SEK": 1}
    assert judge(log, AS_PUBLISHED).columns.without_rate == {}
    large = decoded_alerts(judge([pay("c", "700.00", "CHF", balance_after="1")]))
    assert large[0].rules[0].message == "700.00 CHF of CHF, 700.00 CHF in a day, 1.00 CHF left"


def test_what_is_beyond_the_largest_amount_is_the_largest_amount() -> None:
    found = judge([pay("k", "1000000000000", "KWD")], engine("base: KWD\nrates: {KWD: 1, EUR: 1}"))
    assert found.columns.frame.amount_minor.tolist() == [10**15]
    found = judge([pay("e", "10000000000000", "EUR")], engine("base: IDR\nrates: {EUR: 18000}"))
    assert found.columns.frame.amount_minor.tolist() == [10**15]
    assert found.columns.published_amount_minor.tolist() == [10**15]


@pytest.mark.parametrize(
    ("amount", "currency", "altered"),
    [
        ("10.00", "USD", False),
        ("10.01", "USD", True),
        ("9.00", "EUR", True),  # the same amount in the base
        ("9.00", "USD", True),
    ],
)
def test_a_repeat_is_compared_as_it_was_published(amount: str, currency: str, altered: bool) -> None:
    log = [pay("p", "10.00", "USD"), pay("p", amount, currency)]
    assert judge(log).altered.tolist() == [False, altered]


def test_amounts_that_round_to_the_same_minor_unit_are_told_apart() -> None:
    log = [pay("p", "101", "JPY"), pay("p", "101", "JPY"), pay("p", "102", "JPY")]  # 60.6 and 61.2 cents
    assert judge(log).altered.tolist() == [False, False, True]


def test_a_repeat_is_no_other_payment_because_rates_have_changed() -> None:
    state = state_after([pay("p", "10.00", "USD")])
    later = engine("base: EUR\nrates: {USD: 0.5}")
    assert judge([pay("p", "10.00", "USD")], later, state).altered.tolist() == [False]
    assert judge([pay("p", "10.00", "USD")], AS_PUBLISHED, state).altered.tolist() == [False]
    assert judge([pay("p", "18.00", "USD")], later, state).altered.tolist() == [True]


@pytest.mark.parametrize("kind", ["reversal", "capture"])
def test_a_repeated_reversal_or_capture_is_compared_as_it_was_published(kind: str) -> None:
    state = state_after([pay("p", "10.00", "USD"), related(kind, "r", "p", "4.00", "USD")])
    later = engine("base: EUR\nrates: {USD: 0.5}")
    again = related(kind, "r", "p", "4.00", "USD")
    log = [again, structs.replace(again, amount="4.01"), structs.replace(again, currency="EUR")]
    assert judge(log, later, state).altered.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("events", "left_minor"),
    [
        ([("reversal", "10.00")], 0),
        ([("reversal", "4.00")], 540),
        ([("reversal", "4.00"), ("reversal", "6.00")], 0),
        ([("capture", "8.00")], 720),
        ([("capture", "8.00"), ("capture", "4.00")], 1080),
        ([("capture", "8.00"), ("reversal", "8.00")], 0),
        ([("capture", "8.00"), ("reversal", "3.00")], 450),
    ],
)
def test_corrections_are_converted(events: list[tuple[str, str]], left_minor: int) -> None:
    log = [related(kind, f"r{i}", "p", amount, "USD") for i, (kind, amount) in enumerate(events)]
    found = judge([pay("p", "10.00", "USD"), *log])
    assert not found.unmatched.any()
    assert paid(state_after([pay("p", "10.00", "USD"), *log])) == left_minor


def test_a_payment_is_taken_back_whole_although_rates_have_changed() -> None:
    state, later = state_after([pay("p", "10.00", "USD")]), engine("base: EUR\nrates: {USD: 0.5}")
    assert not judge([related("reversal", "r", "p", "10.00", "USD")], later, state).unmatched.any()
    assert paid(state, later) == 0
    after = judge([pay("x", "0", "EUR", occurred_at=NOON + 3 * M)], later, state)
    assert after.features["account.payments_1d"].tolist() == [2]  # this one, and the one that `paid` has added
    assert judge([pay("p", "10.00", "USD")], later, state).altered.tolist() == [False]


def test_parts_that_add_up_as_published_take_a_payment_back_whatever_they_are_rounded_to() -> None:
    log = [pay("p", "3", "JPY"), *(related("reversal", f"r{i}", "p", "1", "JPY") for i in range(3))]  # 2 and 1 cents
    assert judge(log).features["account.payments_1d"].tolist() == [1, 1, 1, 0]
    assert paid(state_after(log[:3])) == 0


def test_a_part_at_a_higher_rate_leaves_at_least_nothing() -> None:
    state, later = state_after([pay("p", "10.00", "USD")]), engine("base: EUR\nrates: {USD: 9}")
    judge([related("reversal", "r", "p", "4.00", "USD")], later, state)
    assert paid(state, later) == 0
    judge([related("capture", "c", "p", "4.00", "USD")], later, state)
    assert paid(state, later, "USD") == 3600


def test_a_correction_in_another_currency_corrects_nothing() -> None:
    log = [pay("p", "10.00", "USD"), related("reversal", "r", "p", "9.00", "EUR")]
    assert judge(log).decisions()[-1].unmatched == ("account",)
    assert paid(state_after(log)) == 900


def test_a_payment_from_before_there_was_a_base_is_corrected_in_its_own_currency() -> None:
    state = state_after([pay("p", "10.00", "USD"), pay("q", "5.00", "USD")], AS_PUBLISHED)
    log = [related("reversal", "r", "p", "4.00", "USD"), related("reversal", "s", "q", "5.00", "USD")]
    found = judge(log, IN_EURO, state)
    assert not found.unmatched.any()
    assert paid(state, AS_PUBLISHED, "USD") == 600
    assert paid(state) == 0


def test_a_payment_of_another_base_is_not_corrected() -> None:
    state, in_yen = state_after([pay("p", "10.00", "USD")]), engine("base: JPY\nrates: {USD: 150, EUR: 160}")
    found = judge([related("reversal", "r", "p", "10.00", "USD")], in_yen, state)
    assert found.decisions()[0].unmatched == ("account",)
    assert paid(state, in_yen, "JPY") == 0
    assert paid(state) == 900


def test_a_captured_payment_is_labelled_through_its_capture() -> None:
    label = Label(event_id="c", account_id="a", label="fraud", labelled_at=NOON + M)
    found = judge([pay("p", "10.00", "USD"), related("capture", "c", "p", "8.00", "USD"), label, pay("x", "1", "EUR")])
    assert found.labels_unmatched == 0
    assert found.features["account.fraud_1d"].tolist()[-1] == 0.5


def test_state_is_saved_and_restored_with_what_was_published() -> None:
    state, again = state_after([pay("p", "10.00", "USD"), pay("e", "10.00", "EUR")]), IN_EURO.new_state()
    again.restore(state.changes())
    log = [pay("p", "10.01", "USD"), related("reversal", "r", "p", "10.00", "USD")]
    found, expected = (judge(log, IN_EURO, each) for each in (again, state))
    assert found.altered.tolist() == expected.altered.tolist() == [True, False]
    assert paid(again) == paid(state) == 1000


def test_payments_in_the_base_leave_what_they_left_without_one() -> None:
    log = [pay("p", "10.00", "EUR"), related("capture", "c", "p", "8.00", "EUR"), pay("q", "3.00", "EUR")]
    rows, others = (dict(state_after(log, by).changes()) for by in (IN_EURO, AS_PUBLISHED))
    assert {key: row for key, row in rows.items() if key[0]} == {key: row for key, row in others.items() if key[0]}
    assert len(rows) > 2


def test_decisions_do_not_show_amounts() -> None:
    decision = msgspec.to_builtins(judge([pay("p", "10.00", "USD")]).decisions()[0])
    assert "amount" not in decision
    assert "currency" not in decision
