"""The policy of cases: which queue a case is in, what is at risk, and what a wrong file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fraudstream.cases.grouping import opened
from fraudstream.cases.policy import NO_POLICY, CasePolicy
from fraudstream.cases.policy_file import PolicyError, read_policy
from fraudstream.cases.priority import points, urgency
from fraudstream.cases.queueing import entered, rejoined
from fraudstream.contracts import Case
from tests.unit.cases.events import alert

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "base": "EUR",
    "rates": {"USD": "0.8", "JPY": "0.006"},
    "queues": [
        {"name": "takeover", "typologies": ["takeover"], "severity": "high"},
        {"name": "large", "amount": "1000"},
        {"name": "general", "closing": {"breach": "3d"}},
    ],
}
POLICY = msgspec.convert(DOCUMENT, CasePolicy)


def queued(policy: CasePolicy = POLICY, **fields: Any) -> Case:
    return entered(opened(alert(**fields)), policy, 10_000)


@pytest.mark.parametrize(
    ("fields", "queue"),
    [
        ({"severity": "high"}, "takeover"),
        ({"severity": "critical", "amount": "5000.00"}, "takeover"),
        ({"severity": "medium"}, "general"),
        ({"severity": "high", "rules": ("mule/in_and_out",)}, "general"),
        ({"rules": (), "amount": "1000.00"}, "large"),
        ({"amount": "1249.99", "currency": "USD"}, "general"),
        ({"amount": "1250.00", "currency": "USD"}, "large"),
        ({"amount": "90000.00", "currency": "GBP"}, "general"),  # without a rate
    ],
)
def test_a_case_is_in_the_first_queue_whose_conditions_it_meets(fields: dict[str, Any], queue: str) -> None:
    assert queued(**fields).queue == queue


def test_a_case_that_no_queue_takes_is_in_other_and_without_a_policy_in_none() -> None:
    only_large = CasePolicy(base="EUR", queues=POLICY.queues[1:2])
    assert queued(only_large).queue == "other"
    plain = queued(NO_POLICY)
    assert plain == opened(alert())


@pytest.mark.parametrize(
    ("totals", "amount"),
    [
        ({"EUR": "10.00"}, "10.00"),
        ({"EUR": "10.00", "USD": "1.00", "JPY": "100", "GBP": "7.00"}, "11.40"),
        ({"GBP": "7.00"}, None),
        ({}, None),
    ],
)
def test_what_is_at_risk_is_in_the_base_currency(totals: dict[str, str], amount: str | None) -> None:
    assert POLICY.amount_at_risk(totals) == amount
    assert NO_POLICY.amount_at_risk(totals) is None


def test_a_new_alert_may_move_a_case_to_another_queue() -> None:
    case = queued(amount="900.00")
    moved = rejoined(replace(case, amount_totals={"EUR": "1900.00"}), POLICY)
    assert (case.queue, moved.queue, moved.amount_at_risk) == ("general", "large", "1900.00")
    assert moved.timers == ()  # that queue has no service level


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return path


def test_the_documented_policy_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "cases.md").read_text()
    text = page.split("```yaml\n")[1].split("```")[0]
    policy = read_policy(written(tmp_path, text))
    assert [queue.name for queue in policy.queues] == ["takeover", "general"]
    assert policy.amount_at_risk({"USD": "10.00"}) == "8.53"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("queues: [", "is not YAML"),
        ("version: 2", "Invalid enum value 2"),
        ("base: EURO", "'EURO' is not a currency of ISO 4217"),
        ("rates: {EUR: one}", "Invalid decimal string - at `$.rates[...]`"),
        ("queues: [{name: a}, {name: a}]", "a queue is named twice: a, a"),
        ("queues: [{name: a, closing: {warn: soon}}]", "'soon' is not a duration"),
        ("queues: [{name: a, sevirity: high}]", "unknown field `sevirity`"),
        ("queues: {}", "Expected `array`, got `object` - at `$.queues`"),
    ],
)
def test_a_wrong_policy_is_one_sentence_with_the_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PolicyError) as wrong:
        read_policy(path)
    assert str(path) in str(wrong.value)
    assert sentence in str(wrong.value)


def test_a_policy_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        read_policy(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"severity": "low", "score": 0.0}, 0.0),
        ({"severity": "critical", "score": 1.0}, 80.0),
        ({"severity": "medium", "score": 0.5, "amount_at_risk": "100.00"}, 30.0),
        ({"severity": "medium", "score": 0.5, "amount_at_risk": "10000.00"}, 40.0),
        ({"severity": "medium", "score": 0.5, "amount_at_risk": "99999999.00"}, 50.0),
        ({"severity": "low", "score": 0.0, "warned_at_ms": 1}, 10.0),
        ({"severity": "low", "score": 0.0, "warned_at_ms": 1, "breached_at_ms": 2}, 25.0),
    ],
)
def test_points_add_up(fields: dict[str, Any], expected: float) -> None:
    assert points(replace(opened(alert()), **fields)) == expected


def test_a_day_of_waiting_weighs_as_much_as_a_point() -> None:
    early = replace(opened(alert()), severity="low", score=0.0, opened_at_ms=0)
    late = replace(early, score=0.05, opened_at_ms=24 * 3600 * 1000)
    assert urgency(early) == urgency(late)
    assert urgency(replace(early, opened_at_ms=-1)) == urgency(early)
    assert abs(urgency(replace(early, opened_at_ms=2**62))) < 2**53
