"""Rule test cases: parsing, errors, and results on the engine."""

from __future__ import annotations

import pytest

from fraudstream.backtest.rule_cases import NOON, CaseResult, read_cases, run_rule_cases
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.rule_set import compile_rule_set

TEXTS = {
    "features.yaml": """\
version: 1
attributes: {vip: bool}
entities:
  account: {key: account_id, slots: 8}
features:
  account.payments_1h: {aggregate: count, window: 1h}
""",
    "burst/many.yaml": """\
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Many payments
status: live
severity: high
when: account.payments_1h >= 3 and not attributes.vip
message: "{account.payments_1h} payments"
""",
}
RULE_SET = compile_rule_set(TEXTS)
DEFAULTS = "defaults: {amount: 5, currency: EUR, direction: debit, attributes.vip: false}\n"
CASE = "cases: [{name: third, shows: firing, expect: fires, history: [{at: -30m, repeat: 2, every: 5m}], payment: {}}]"


def results_of(cases: str) -> tuple[CaseResult, ...]:
    return run_rule_cases(RULE_SET, {**TEXTS, "burst/many.test.yaml": DEFAULTS + cases}).results


def test_a_case_runs_with_its_history_and_defaults() -> None:
    [result] = results_of(CASE)
    assert (result.rule, result.expected, result.actual, result.passed) == (
        "burst/many",
        "fires",
        "fires",
        True,
    )


def test_a_failing_case_reports_expected_and_actual() -> None:
    [result] = results_of(CASE.replace("expect: fires", "expect: silent, outcome: allow"))
    assert (result.expected, result.actual, result.passed) == ("silent, allow", "fires, review", False)


def test_a_default_can_be_removed() -> None:
    [result] = results_of(CASE.replace("payment: {}", "payment: {attributes.vip: ~}"))
    assert result.actual == "silent"


def test_repeats_are_numbered_and_precede_the_payment_in_order() -> None:
    text = (
        DEFAULTS
        + """\
past: [{at: -1d, repeat: 2, every: 2h, device_id: "d{i}"}]
cases: [{name: n, shows: firing, expect: fires, history: [{at: -23h}], payment: {amount: 9.50}}]
"""
    )
    [case] = read_cases(text, "x.test.yaml", RULE_SET)
    hour = 3_600_000
    assert [event.occurred_at for event in case.events] == [NOON - 24 * hour, NOON - 23 * hour, NOON - 22 * hour, NOON]
    assert [event.device_id for event in case.events] == ["d0", None, "d1", None]
    assert case.events[-1].amount == "9.50"


def test_a_case_may_set_its_time() -> None:
    text = DEFAULTS + CASE.replace("payment:", 'now: "1970-01-02T02:00:00+02:00", payment:')
    [case] = read_cases(text, "x.test.yaml", RULE_SET)
    assert case.events[-1].occurred_at == 86_400_000


def test_a_rule_without_cases_is_named() -> None:
    assert run_rule_cases(RULE_SET, TEXTS).without_cases == ("burst/many",)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("at: -30m", "at: 30m", "a payment before the case needs 'at'"),
        ("at: -30m", "at: -30x", "not a duration"),
        ("every: 5m", "every: 5h", "after the case's own"),
        ("repeat: 2", "repeat: 9999", "'repeat' must be a whole number"),
        ("payment: {}", "payment: {amount: ~}", "amount"),
        ("payment: {}", "payment: {kind: gift}", "gift"),
        ("payment: {}", "payment: {country: de}", "country 'de' is not a country of ISO 3166-1 alpha-2: write 'DE'"),
        ("payment: {}", "payment: {mcc: 54}", "mcc must have at least 4 characters"),
        ("payment: {}", 'payment: {device_id: "a\\tb"}', "holds a control character"),
        ("at: -30m", "at: -30m, country: UK", "write 'GB'"),
        ("payment: {}", "payment: {divice_id: a}", "no field 'divice_id'. Nearest: 'device_id'."),
        ("at: -30m", "at: -30m, event_id: a", "another payment of the case has the event_id 'a'"),
        ("payment: {}", "payment: {event_id: event-1}", "another payment of the case has the event_id 'event-1'"),
        ("payment: {}", "payment: {attributes.vpi: true}", "no attribute 'vpi'"),
        ("expect: fires", "expect: fire", "Nearest: 'fires'"),
        ("shows: firing", "show: firing", "Nearest: 'shows'"),
        ("payment: {}", "now: tomorrow, payment: {}", "'now' must be a date and time"),
    ],
)
def test_a_fault_in_a_case_is_reported_with_its_line(old: str, new: str, sentence: str) -> None:
    with pytest.raises(DocumentErrors) as caught:
        results_of(CASE.replace(old, new))
    assert any(sentence in fault.sentence for fault in caught.value.faults), caught.value
    assert {(fault.path, fault.line) for fault in caught.value.faults} == {("burst/many.test.yaml", 2)}


@pytest.mark.parametrize(("reversed_", "actual"), [("first-1", "silent"), ("other", "fires")])
def test_a_history_may_take_a_payment_back(reversed_: str, actual: str) -> None:
    history = (
        "{at: -30m, repeat: 2, every: 5m, event_id: 'first-{i}'}, "
        f"{{at: -5m, kind: reversal, direction: credit, relates_to: {reversed_}}}"
    )
    case = f"cases: [{{name: a, shows: firing, expect: fires, history: [{history}], payment: {{}}}}]"
    [result] = results_of(case)
    assert result.actual == actual


def test_cases_without_their_rule_are_a_fault() -> None:
    with pytest.raises(DocumentErrors, match=r"there is no rule burst/few\.yaml"):
        run_rule_cases(RULE_SET, {**TEXTS, "burst/few.test.yaml": CASE})


def test_a_listed_value_that_no_payment_can_have_is_a_fault() -> None:
    texts = {**TEXTS, "lists.yaml": "lists:\n  homes: {of: country, kind: watch, description: homes}\n"}
    cases = DEFAULTS + CASE.replace("history:", "lists: {homes: [DE, de]}, history:")
    with pytest.raises(DocumentErrors, match="would match no payment: country 'de' is not a country"):
        run_rule_cases(compile_rule_set(texts), {**texts, "burst/many.test.yaml": cases})
