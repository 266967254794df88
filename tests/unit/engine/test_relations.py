"""Reversals and captures on short logs: their effect, and how their lack of effect is reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.columns import Rejection
from fraudstream.engine.engine import Engine
from fraudstream.engine.kernel_types import EXACT, PANE, UNCORRECTED
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.verdict import Verdicts

M, H, D = 60_000, 3_600_000, 86_400_000
NOON = 1_750_000_000_000 // D * D + D // 2

CATALOGUE = """
version: 1
entities:
  account: {key: account_id, slots: 4, panes: {width: 1d, count: 4}}
  device: {key: device_id, slots: 4, panes: {width: 1d, count: 4}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
  account.debits_1d: {aggregate: count, window: 1d, where: direction == "debit"}
  account.paid_1d: {aggregate: sum, of: amount, window: 1d}
  account.payees_1d: {aggregate: distinct, of: counterparty_id, window: 1d}
  account.since_last: {aggregate: since_last}
  account.age: {aggregate: age}
  account.fraud_1d: {aggregate: share, of: fraud, window: 1d}
  device.paid_1d: {aggregate: sum, of: amount, window: 1d}
"""
ENGINE = Engine(compile_rule_set({"features.yaml": CATALOGUE}))


def pay(event_id: str, t: int, amount: str, **more: Any) -> Payment:
    more = {"account_id": "a", "currency": "EUR", "direction": "debit", "device_id": "d"} | more
    return Payment(event_id, t, amount=amount, **more)


def reversal(event_id: str, of: str, t: int, amount: str, **more: Any) -> Payment:
    return pay(event_id, t, amount, kind="reversal", relates_to=of, direction="credit", **more)


def capture(event_id: str, of: str, t: int, amount: str, **more: Any) -> Payment:
    return pay(event_id, t, amount, kind="capture", relates_to=of, **more)


def judge(log: Sequence[Payment | Label]) -> Verdicts:
    return ENGINE.judge(log, ENGINE.new_state())


def paid(log: Sequence[Payment | Label]) -> float:
    """The day's sum after the log, in major units."""
    after = pay("after", NOON + H, "0")
    return float(judge([*log, after]).features["account.paid_1d"][-1]) / 100


def unmatched(log: Sequence[Payment | Label]) -> tuple[str, ...]:
    """What the last event of the log did not match."""
    return judge(log).decisions()[-1].unmatched


AUTH = pay("auth", NOON, "100.00")


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ([], 100),
        ([reversal("r", "auth", NOON + M, "100.00")], 0),
        ([reversal("r", "auth", NOON + M, "100.01")], 0),  # more than there is
        ([reversal("r", "auth", NOON + M, "30.00")], 70),
        ([reversal("r", "auth", NOON + M, "30.00"), reversal("s", "auth", NOON + M, "20.00")], 50),
        ([reversal("r", "auth", NOON + M, "30.00"), reversal("s", "auth", NOON + M, "70.00")], 0),
        ([reversal("r", "auth", NOON + M, "0")], 100),
        ([capture("c", "auth", NOON + M, "80.00")], 80),
        ([capture("c", "auth", NOON + M, "115.00")], 115),  # a tip
        ([capture("c", "auth", NOON + M, "0")], 0),
        ([capture("c", "auth", NOON + M, "40.00"), capture("e", "auth", NOON + M, "25.00")], 65),
        ([capture("c", "auth", NOON + M, "40.00"), capture("e", "c", NOON + M, "25.00")], 65),
        ([reversal("r", "auth", NOON + M, "30.00"), capture("c", "auth", NOON + M, "70.00")], 70),
        ([capture("c", "auth", NOON + M, "80.00"), reversal("r", "auth", NOON + M, "80.00")], 0),
        ([capture("c", "auth", NOON + M, "80.00"), reversal("r", "c", NOON + M, "30.00")], 50),
        ([pay("x", NOON + M, "7.00"), reversal("r", "auth", NOON + 2 * M, "100.00")], 7),
        ([reversal("r", "auth", NOON - H, "100.00")], 0),  # dated before its payment, published after it
        ([pay("refund", NOON + M, "100.00", kind="refund", relates_to="auth")], 200),  # a payment of its own
    ],
)
def test_the_sum_is_of_what_is_left(events: list[Payment], left: float) -> None:
    log = [AUTH, *events]
    assert paid(log) == left
    assert unmatched(log) == ()


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ([reversal("r", "nothing", NOON + M, "100.00")], 100),
        ([reversal("r", "auth", NOON + M, "100.00", currency="USD")], 100),
        ([reversal("r", "auth", NOON + M, "100.00"), reversal("s", "auth", NOON + M, "100.00")], 0),
        ([reversal("r", "auth", NOON + M, "100.00"), reversal("s", "r", NOON + M, "100.00")], 0),
        ([reversal("r", "auth", NOON + M, "100.00"), capture("c", "auth", NOON + M, "100.00")], 0),
        ([capture("c", "nothing", NOON + M, "80.00")], 100),
    ],
)
def test_what_has_no_effect_says_so(events: list[Payment], left: float) -> None:
    log = [AUTH, *events]
    assert paid(log) == left
    assert unmatched(log) == ("account", "device")


def test_a_reversal_before_its_payment_has_no_effect_and_says_so() -> None:
    log = [reversal("r", "auth", NOON, "100.00"), AUTH]
    assert paid(log) == 100
    assert [decision.unmatched for decision in judge(log).decisions()] == [("account", "device"), ()]


def test_a_reversal_of_another_accounts_payment_has_no_effect_on_either() -> None:
    log = [AUTH, reversal("r", "auth", NOON + M, "100.00", account_id="b", device_id="e")]
    assert (paid(log), unmatched(log)) == (100, ("account", "device"))


def test_each_entity_is_corrected_by_its_own_key() -> None:
    without = [AUTH, reversal("r", "auth", NOON + M, "100.00", device_id=None)]
    after = pay("after", NOON + H, "0")
    verdicts = judge([*without, after])
    assert verdicts.features["device.paid_1d"][-1] == 10_000, "a reversal without the device's key leaves it alone"
    assert unmatched(without) == ()
    other = [AUTH, reversal("r", "auth", NOON + M, "100.00", device_id="e")]
    assert unmatched(other) == ("device",)
    both = [AUTH, reversal("r", "auth", NOON + M, "100.00"), after]
    assert judge(both).features["device.paid_1d"][-1] == 0


def test_a_correction_is_decided_after_its_effect_and_counts_in_nothing() -> None:
    log = [AUTH, capture("c", "auth", NOON + M, "115.00"), reversal("r", "auth", NOON + 2 * M, "115.00")]
    verdicts = judge([*log, pay("after", NOON + 3 * M, "1.00", counterparty_id="p")])
    assert verdicts.features["account.paid_1d"].tolist() == [10_000, 11_500, 0, 100]
    assert verdicts.features["account.payments_1h"].tolist() == [1, 1, 0, 1]
    assert verdicts.features["account.debits_1d"].tolist() == [1, 1, 0, 1]
    assert verdicts.features["account.age"].tolist() == [
        0,
        M,
        2 * M,
        3 * M,
    ]  # since the first payment, taken back or not
    since_last = verdicts.features["account.since_last"].tolist()
    assert math.isnan(since_last[2])
    assert since_last[1] == M
    assert all((errors == EXACT).all() for errors in verdicts.errors.values())


def test_a_copy_of_a_correction_has_no_second_effect() -> None:
    half = reversal("r", "auth", NOON + M, "30.00")
    verdicts = judge([AUTH, half, half, structs.replace(AUTH, amount="100.00"), pay("after", NOON + H, "0")])
    assert verdicts.repeat.tolist() == [False, False, True, True, False]
    assert verdicts.altered.tolist() == [False] * 5, "the published amount is not known any more"
    assert verdicts.features["account.paid_1d"][-1] == 7_000


def test_a_label_of_a_capture_is_one_of_its_payment() -> None:
    log = [AUTH, capture("c", "auth", NOON + M, "80.00"), pay("x", NOON + M, "1.00")]
    verdicts = judge([*log, Label("c", "a", "fraud", NOON + D), pay("after", NOON + H, "1.00")])
    assert (verdicts.labels, verdicts.labels_unmatched) == (1, 0)
    assert verdicts.features["account.fraud_1d"][-1] == 1 / 3


def test_a_payment_that_left_the_ring_is_not_corrected_and_its_features_say_so() -> None:
    log = [AUTH, *[pay(f"x{n}", NOON + (n + 1) * M, "1.00") for n in range(4)]]
    before = judge([*log, pay("after", NOON + H, "0")])
    assert before.errors["account.paid_1d"][-1] == PANE
    gone = [*log, reversal("r", "auth", NOON + 5 * M, "100.00")]
    assert unmatched(gone) == ("account", "device")
    verdicts = judge([*gone, pay("after", NOON + H, "0")])
    assert verdicts.features["account.paid_1d"][-1] == 10_400
    assert verdicts.errors["account.paid_1d"][-1] == UNCORRECTED
    later = judge([*gone, pay("after", NOON + 3 * D, "0")])
    assert later.errors["account.paid_1d"][-1] == EXACT, "the window no longer reaches back to it"


def test_a_late_correction_may_be_a_copy_and_has_no_effect() -> None:
    log = [pay(f"x{n}", NOON + n * M, "1.00") for n in range(6)]
    log.append(reversal("r", "x5", NOON, "1.00"))
    verdicts = judge(log)
    assert (bool(verdicts.late[-1]), verdicts.decisions()[-1].unmatched) == (True, ("account",))
    assert paid(log) == 6


def test_a_restored_state_knows_what_was_taken_back_and_captured() -> None:
    state, again = ENGINE.new_state(), ENGINE.new_state()
    ENGINE.judge([AUTH, pay("b", NOON, "50.00"), capture("c", "auth", NOON + M, "40.00")], state)
    ENGINE.judge([reversal("r", "b", NOON + M, "50.00")], state)
    again.restore(state.changes())
    for used in (state, again):
        verdicts = ENGINE.judge([capture("e", "auth", NOON + 2 * M, "25.00"), pay("after", NOON + H, "0")], used)
        assert verdicts.features["account.paid_1d"].tolist() == [6_500, 6_500]
        assert verdicts.features["account.payments_1h"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (
            pay("r", NOON, "1.00", kind="reversal"),
            "A reversal needs relates_to: the event_id of the payment that it relates to.",
        ),
        (
            capture("c", "c", NOON, "1.00"),
            "A capture needs an event_id of its own: relates_to names the payment that it relates to.",
        ),
    ],
)
def test_a_correction_that_names_no_other_payment_is_refused(event: Payment, sentence: str) -> None:
    verdicts = judge([AUTH, event])
    assert verdicts.rejected == [Rejection(1, "invalid", sentence, "$.relates_to")]
    assert verdicts.n == 1
