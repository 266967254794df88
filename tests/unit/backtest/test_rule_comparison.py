"""Two rule sets on the same few payments: what is gained, lost and unchanged, by exact counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from fraudstream.backtest.label_order import Events, part_of
from fraudstream.backtest.replay import ListedValue, replay
from fraudstream.backtest.rule_comparison import ComparisonOptions, RuleComparison, compare
from fraudstream.contracts import ListEntry, Payment
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.evaluation.rule_difference import Detected, RuleChange, RuleDifference
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
BEGIN_MS = 1_735_689_600_000  # 2025-01-01
FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_1d: {aggregate: count, window: 1d}
"""
RULE = """
id: {rule_id}
title: {title}
status: {status}
severity: {severity}
outcome: {outcome}
when: {when}
message: "{{amount}}"
"""
LARGE, BUSY, ABROAD = (f"{n}1111111-2222-4333-8444-555555555555" for n in (1, 2, 3))


def rule(rule_id: str, when: str, **fields: str) -> str:
    values = {"title": "A rule", "status": "live", "severity": "high", "outcome": "review"} | fields
    return RULE.format(rule_id=rule_id, when=when, **values)


def rule_set(rules: Mapping[str, str], **files: str) -> RuleSet:
    texts = {f"{name}.yaml": text for name, text in files.items()}
    return compile_rule_set({"features.yaml": FEATURES} | texts | {f"{name}.yaml": rules[name] for name in rules})


class Batch(NamedTuple):
    payments: list[Payment]
    occurred_at_ms: np.ndarray[Any, np.dtype[np.int64]]
    labels: np.ndarray[Any, np.dtype[np.int8]]
    labelled_at_ms: None = None


def batch(*rows: tuple[str, str, int]) -> Batch:
    """Payments an hour apart: amount, currency, label."""
    times = BEGIN_MS + np.arange(len(rows), dtype=np.int64) * HOUR_MS
    payments = [
        Payment(f"p{n}", at, f"a{n}", amount, currency, "debit")
        for n, (at, (amount, currency, _)) in enumerate(zip(times.tolist(), rows, strict=True))
    ]
    return Batch(payments, times, np.array([label for _, _, label in rows], np.int8))


def difference(old: RuleSet, new: RuleSet, *batches: Any, size: int = 100, **options: Any) -> RuleDifference:
    return compare(old, new, batches, ComparisonOptions(**options), label_delay_ms=DAY_MS, batch_size=size)


def change_of(found: RuleDifference, name: str) -> RuleChange:
    [change] = [each for each in found.rules if each.rule == name]
    return change


OLD = rule_set({"cards/large": rule(LARGE, "amount > 100"), "cards/abroad": rule(ABROAD, 'currency == "USD"')})
NEW = rule_set(
    {
        "cards/big": rule(LARGE, "amount > 50", outcome="block"),  # renamed, and changed
        "cards/busy": rule(BUSY, "amount > 60 and account.payments_1d >= 1", status="shadow"),
    }
)
#              lost        both        gained        gained        neither      lost, unlabelled
PAYMENTS = (
    ("20", "USD", 0),
    ("200", "EUR", 1),
    ("70.50", "EUR", 1),
    ("60", "EUR", 0),
    ("5", "EUR", -1),
    ("1", "USD", -1),
)


def test_each_alert_is_gained_lost_or_unchanged() -> None:
    found = difference(OLD, NEW, batch(*PAYMENTS))
    assert (found.payments, found.warm_up, found.frauds, found.genuine) == (6, 0, 2, 2)
    assert found.gained.alerts == Detected(2, 1, 1, 0.5)
    assert (found.gained.amounts, found.gained.fraud_amounts) == ({"EUR": "130.50"}, {"EUR": "70.50"})
    assert found.lost.alerts == Detected(2, 0, 1, 0.0)
    assert (found.lost.amounts, found.lost.fraud_amounts) == ({"USD": "21.00"}, {})
    assert found.unchanged.alerts == Detected(1, 1, 0, 1.0)
    assert (found.base_currency, found.gained.base_amount) == (None, None)
    assert (found.old.alerts.alerts, found.new.alerts.alerts) == (Detected(3, 1, 1, 0.5), Detected(3, 2, 1, 2 / 3))
    assert (found.old.recall, found.new.recall) == (0.5, 1.0)
    assert (found.old.rule_set, found.new.rule_set) == (OLD.digest, NEW.digest)
    changes = {(each.before, each.after): each.payments for each in found.outcome_changes}
    assert changes == {("allow", "block"): 2, ("review", "allow"): 2, ("review", "block"): 1}


def test_work_and_alerts_a_day_are_those_of_the_period() -> None:
    found = difference(
        OLD, NEW, batch(*PAYMENTS), minutes_per_alert=20, until_ms=BEGIN_MS + DAY_MS // 2, since_ms=BEGIN_MS
    )
    assert (found.from_ms, found.until_ms, found.days) == (BEGIN_MS, BEGIN_MS + DAY_MS // 2, 0.5)
    assert (found.gained.per_day, found.new.alerts.per_day) == (4, 6)
    assert (found.new.analyst_hours, found.new.analyst_hours_per_day) == (1, 2)
    short = difference(OLD, NEW, batch(*PAYMENTS[:1]))
    assert (short.days, short.lost.per_day, short.old.analyst_hours_per_day) == (0, None, None)


def test_a_rule_is_followed_by_its_id() -> None:
    found = difference(OLD, NEW, batch(*PAYMENTS))
    assert [each.rule for each in found.rules] == ["cards/abroad", "cards/big", "cards/busy"]
    big = change_of(found, "cards/big")
    assert (big.change, big.changed) == ("changed", ("name", "outcome", "when"))
    assert (big.before, big.after) == (Detected(1, 1, 0, 1.0), Detected(3, 2, 1, 2 / 3))
    abroad = change_of(found, "cards/abroad")
    assert (abroad.change, abroad.before, abroad.after) == ("removed", Detected(2, 0, 1, 0.0), None)
    assert (abroad.status_before, abroad.status_after) == ("live", None)
    busy = change_of(found, "cards/busy")
    assert (busy.change, busy.before, busy.after) == ("new", None, Detected(2, 2, 0, 1.0))
    assert (busy.status_before, busy.status_after) == (None, "shadow")


def test_what_fires_with_a_new_or_changed_rule_is_counted() -> None:
    score = "threshold: 0.5\nparts:\n  - {part: large, weight: 1, value: amount, from: 0, to: 200}\n"
    old = rule_set({"cards/abroad": rule(ABROAD, 'currency == "USD"')}, score=score)
    new = rule_set(
        {"cards/abroad": rule(ABROAD, 'currency == "USD"'), "cards/large": rule(LARGE, "amount > 50")}, score=score
    )
    rows = (("60", "USD", 0), ("70", "EUR", 0), ("150", "EUR", 0), ("150", "USD", 0))
    found = difference(old, new, batch(*rows))
    overlap = change_of(found, "cards/large").overlap
    assert overlap is not None
    assert (overlap.alone, overlap.with_score, overlap.with_rules) == (1, 2, {"cards/abroad": 2})
    assert change_of(found, "cards/abroad").overlap is None  # it has not changed
    assert found.gained.alerts.count == 1
    assert found.old.score == found.new.score == Detected(2, 0, 2, 0.0)


def test_a_retired_rule_is_removed_and_a_status_is_a_change() -> None:
    retired = rule(ABROAD, 'currency == "USD"', status="retired\nretired_because: no use")
    new = rule_set({"cards/large": rule(LARGE, "amount > 100", status="shadow"), "cards/abroad": retired})
    found = difference(OLD, new, batch(*PAYMENTS))
    assert (found.new.alerts.alerts.count, found.lost.alerts.count) == (0, 3)
    large, abroad = change_of(found, "cards/large"), change_of(found, "cards/abroad")
    assert (large.changed, large.status_before, large.status_after) == (("status",), "live", "shadow")
    assert (abroad.change, abroad.status_after, abroad.after) == ("removed", "retired", None)


def test_the_same_rules_gain_and_lose_nothing() -> None:
    found = difference(OLD, OLD, batch(*PAYMENTS))
    assert (found.gained.alerts.count, found.lost.alerts.count, found.unchanged.alerts.count) == (0, 0, 3)
    assert {each.change for each in found.rules} == {"same"}
    assert (found.outcome_changes, found.examples_gained, found.examples_lost) == ((), (), ())


def test_earlier_payments_fill_the_state_and_are_not_counted() -> None:
    new = rule_set({"cards/busy": rule(BUSY, "account.payments_1d >= 2")})
    one_account = batch(*[("1", "EUR", 0)] * 4)
    payments = [Payment(each.event_id, each.occurred_at, "a", "1", "EUR", "debit") for each in one_account.payments]
    found = difference(
        OLD,
        new,
        one_account._replace(payments=payments),
        since_ms=BEGIN_MS + HOUR_MS,
        until_ms=BEGIN_MS + 3 * HOUR_MS,
        size=1,
    )
    assert (found.payments, found.warm_up, found.gained.alerts.count) == (2, 1, 2)


def test_repeated_payments_count_once() -> None:
    twice = batch(("70", "EUR", 0), ("70", "EUR", 0))
    first, second = twice.payments
    repeated = Payment(first.event_id, first.occurred_at, first.account_id, "70", "EUR", "debit")
    found = difference(OLD, NEW, twice._replace(payments=[first, repeated]))
    assert (found.payments, found.gained.alerts.count) == (1, 1)
    assert second.event_id == "p1"


def test_a_payment_that_one_side_cannot_decide_is_an_outcome() -> None:
    declared = FEATURES + "attributes:\n  grade: number\n"
    new = compile_rule_set({"features.yaml": declared, "cards/large.yaml": rule(LARGE, "amount > 100")})
    rows = batch(("200", "EUR", 1), ("200", "EUR", 1))
    payments = [
        rows.payments[0],
        Payment("p1", BEGIN_MS + HOUR_MS, "a1", "200", "EUR", "debit", attributes={"grade": "A"}),
    ]
    found = difference(OLD, new, rows._replace(payments=payments))
    assert (found.payments, found.old.undecided, found.new.undecided) == (2, 0, 1)
    assert (found.unchanged.alerts.count, found.lost.alerts.count) == (1, 1)
    assert [(each.before, each.after) for each in found.outcome_changes] == [("review", "undecided")]
    [example] = found.examples_lost
    assert (example.event_id, example.score_before, example.score_after) == ("p1", 0.0, None)


def test_money_is_added_up_in_the_base_currency_too() -> None:
    currencies = 'base: EUR\nrates: {USD: "0.5"}\n'
    new = rule_set({"cards/large": rule(LARGE, "amount > 10")}, currencies=currencies)
    old = rule_set({"cards/large": rule(LARGE, "amount > 1000")}, currencies=currencies)
    found = difference(old, new, batch(("30", "USD", 1), ("20", "EUR", 0), ("5000", "JPY", 0)))
    assert found.base_currency == "EUR"
    assert found.gained.amounts == {"EUR": "20.00", "USD": "30.00"}
    assert (found.gained.base_amount, found.gained.fraud_base_amount) == ("35.00", "15.00")
    assert (found.unchanged.amounts, found.unchanged.base_amount) == ({"JPY": "5000"}, "0.00")  # JPY has no rate


def test_list_entries_count_on_the_side_that_has_the_list() -> None:
    lists = "lists:\n  known: {of: account_id, kind: deny, description: known}\n"
    new = rule_set({"cards/known": rule(LARGE, "account_id in lists.known")}, lists=lists)
    found = compare(
        rule_set({}), new, [batch(*PAYMENTS)], ComparisonOptions(), label_delay_ms=0, batch_size=100,
        listed=[ListedValue("known", "a4")],
    )  # fmt: skip
    assert [each.event_id for each in found.examples_gained] == ["p4"]


def test_an_entry_of_the_log_counts_from_its_record_on() -> None:
    lists = "lists:\n  known: {of: account_id, kind: deny, description: known}\n"
    new = rule_set({"cards/known": rule(LARGE, "account_id in lists.known")}, lists=lists)
    comparison = RuleComparison(rule_set({}), new, ComparisonOptions())
    payments = batch(*PAYMENTS)
    part = Events([*payments.payments], payments.occurred_at_ms, payments.labels)
    for at in range(6):
        if at == 2:
            for n in range(6):
                comparison.change_list(ListEntry("known", f"a{n}", "ann", BEGIN_MS))
        if at == 4:
            comparison.change_list(ListEntry("known", "a4", "ann", BEGIN_MS, removed=True))
        comparison.add(part_of(part, at, at + 1))
    assert [each.event_id for each in comparison.difference().examples_gained] == ["p2", "p3", "p5"]


def test_an_example_says_why_in_one_line() -> None:
    rules = {
        "cards/large": rule(LARGE, "amount > 50", severity="low"),
        "cards/abroad": rule(ABROAD, 'currency == "USD"', severity="critical"),
    }
    score = "threshold: 0.5\nparts:\n  - {part: small, weight: 1, value: amount, from: 10, to: 0}\n"
    found = difference(rule_set({}), rule_set(rules, score=score), batch(("70", "USD", 1), ("1", "EUR", -1)))
    by_rules, by_score = found.examples_gained
    assert by_rules.reason == "cards/abroad: 70.00 USD (and 1 more)"
    assert (by_rules.label, by_rules.outcome_before, by_rules.outcome_after) == ("fraud", "allow", "review")
    assert by_score.reason == "score 0.9000 reaches 0.5: small"
    assert (by_score.label, by_score.score_before, by_score.score_after) == (None, 0.0, 0.9)


@pytest.fixture(scope="module")
def generated() -> list[Any]:
    return list(stream(GeneratorPlan(BEGIN_MS, seed=3, accounts=200, fraud_share=0.03), 2_000))


def test_the_verdicts_of_each_side_are_those_of_a_replay(generated: list[Any], tmp_path: Path) -> None:
    old, new = (rule_set({"cards/large": rule(LARGE, f"amount > {limit}")}) for limit in (150, 90))
    found = difference(old, new, *generated)
    sides = ((found.old, old), (found.new, new))
    for side, rules in sides:
        summary = replay(rules, generated, tmp_path / rules.digest, label_delay_ms=DAY_MS, batch_size=500)
        alerts = side.alerts.alerts
        assert (alerts.count, alerts.frauds, alerts.genuine) == summary.alert[1:4]
        assert side.recall == summary.alert.recall
    alerted = [
        {
            row["event_id"]
            for row in pq.read_table(tmp_path / rules.digest / "decisions.parquet").to_pylist()
            if row["outcome"] != "allow"
        }
        for _, rules in sides
    ]
    before, after = alerted
    counts = [group.alerts.count for group in (found.gained, found.lost, found.unchanged)]
    assert counts == [len(after - before), len(before - after), len(after & before)]
    assert 0 < len(before) < len(after)


def test_the_result_does_not_depend_on_the_size_of_batches(generated: list[Any]) -> None:
    found = [difference(OLD, NEW, *generated, size=size, examples=3) for size in (101, 1_000)]
    one, other = ([*(each.rules), each.gained, each.lost, each.examples_gained, each.outcome_changes] for each in found)
    assert one == other
    assert len(found[0].examples_gained) == 3
