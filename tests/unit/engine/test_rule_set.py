"""Rules, score and catalogue compiled together: every fault found at once, each in its place; and a digest."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.catalogue_reading import parse_catalogue
from fraudstream.engine.rule_set import RuleSetErrors, compile_rule_set

FEATURES = """\
version: 1
attributes: {vip: bool}
entities:
  account: {key: account_id, slots: 40}
features:
  account.payments_1h: {aggregate: count, window: 1h, where: direction == "debit"}
  account.mean_7d: {aggregate: mean, of: amount, window: 7d, includes: false}
"""
SCORE = """\
threshold: 0.8
parts:
  - part: against_past
    weight: 0.5
    value: amount / account.mean_7d
    from: 2
    to: 10
"""
RULE = """\
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Many payments
status: live
severity: high
tags: [typology.test, channel.app]
references: [docs/typologies.md#test]
when: account.payments_1h >= 5 and amount > 100
message: "{account.payments_1h} payments, the last {amount}"
blind_spots: [four payments]
false_positives: [a busy day]
"""
SOUND = {"features.yaml": FEATURES, "score.yaml": SCORE, "burst/many.yaml": RULE}


def faults_of(texts: Mapping[str, str]) -> list[tuple[str, int, int, str]]:
    with pytest.raises(RuleSetErrors) as caught:
        compile_rule_set(texts)
    return [fault[:4] for fault in caught.value.faults]


def only_fault_of(rule: str) -> tuple[int, int, str]:
    [(path, line, column, sentence)] = faults_of({**SOUND, "burst/many.yaml": rule})
    assert path == "burst/many.yaml"
    return line, column, sentence


def test_a_sound_set_is_compiled() -> None:
    rule_set = compile_rule_set(SOUND)
    [rule] = rule_set.rules
    assert (rule.name, rule.status, rule.severity, rule.outcome) == ("burst/many", "live", "high", "review")
    assert rule.names == {"account.payments_1h", "amount"}
    assert rule_set.scorer.threshold_points == 800_000
    assert len(rule_set.digest) == 16
    assert int(rule_set.digest, 16) >= 0


def test_every_fault_of_every_file_is_found_at_once() -> None:
    texts = {
        **SOUND,
        "score.yaml": SCORE.replace("to: 10", "to: 10d"),
        "burst/many.yaml": RULE.replace("payments_1h >=", "payments_1d >=").replace("severity: high", "severity: hi"),
        "burst/other.yaml": RULE.replace("title:", "titel:"),
        "top.yaml": RULE,
        "bomb/bomb.yaml": "a: &a [1]\nb: [*a, *a]\n",
        "bad/yaml.yaml": "id: [",
    }
    found = {(path, line) for path, line, _, _ in faults_of(texts)}
    assert found == {
        ("score.yaml", 7),
        ("burst/many.yaml", 4),
        ("burst/many.yaml", 7),
        ("burst/other.yaml", 1),
        ("burst/other.yaml", 2),
        ("top.yaml", 1),
        ("bomb/bomb.yaml", 1),
        ("bad/yaml.yaml", 1),
    }


@pytest.mark.parametrize(
    ("style", "line", "column"),
    [
        ("when: account.payments_1d >= 5 and amount > 100", 7, 7),
        ("when: amount > 100\n  and account.payments_1d >= 5", 8, 7),
        ("when: >-\n  amount > 100\n  and account.payments_1d >= 5", 9, 7),
        ("when: |\n    amount > 100\n    and account.payments_1d >= 5\n", 9, 9),
        ('when: "amount > 100 and account.payments_1d >= 5"', 7, 25),
        ("when: 'amount > 100 and account.payments_1d >= 5'", 7, 25),
    ],
)
def test_a_fault_in_a_condition_stands_in_its_place_however_it_is_written(style: str, line: int, column: int) -> None:
    rule = RULE.replace("when: account.payments_1h >= 5 and amount > 100", style)
    assert only_fault_of(rule)[:2] == (line, column)


@pytest.mark.parametrize(
    ("old", "new", "line", "part"),
    [
        ("status: live", "status: alive", 3, "Nearest: 'live'"),
        ("status: live", "status: retired", 1, "add 'retired_because'"),
        ("id: 0b6f6c1e", "id: 0B6F6C1E", 1, "must be a UUID in lower case"),
        ("severity: high", "severity: high\noutcome: allow", 5, "Choose from: review, block"),
        ("typology.test", "test", 5, "'kind.value'"),
        ("title: Many payments", "title: " + "x" * 200, 2, "1 to 120 characters"),
        ("account.payments_1h >= 5 and amount > 100", "true", 7, "reads no field or feature"),
        ("account.payments_1h >= 5 and amount > 100", "[a]", 7, "must be a single value"),
        ("{amount}", "{amunt}", 8, "Nearest: 'amount'"),
        ("{amount}", "{amount", 8, "an unmatched brace"),
        ("{amount}", "{amount.__class__}", 8, "unknown field or feature"),
        ("blind_spots: [four payments]", "blind_spots: four payments", 9, "must be a list"),
        ("severity: high", "severity: high\nseverity: low", 5, "twice"),
    ],
)
def test_a_fault_in_a_rule_says_what_to_do(old: str, new: str, line: int, part: str) -> None:
    found_line, _, sentence = only_fault_of(RULE.replace(old, new))
    assert part in sentence
    assert found_line == line


def test_a_fault_in_a_message_stands_at_the_name() -> None:
    assert only_fault_of(RULE.replace("{amount}", "{amunt}"))[:2] == (8, 53)


def test_two_rules_with_one_id_are_refused() -> None:
    [(path, _, _, sentence)] = faults_of({**SOUND, "burst/zwei.yaml": RULE})
    assert path == "burst/zwei.yaml"
    assert "also that of burst/many.yaml" in sentence


def test_faults_in_the_catalogue_do_not_drown_in_faults_of_rules() -> None:
    faults = faults_of({**SOUND, "features.yaml": FEATURES.replace("aggregate: count", "aggregate: cont")})
    assert {path for path, *_ in faults} == {"features.yaml"}


def test_a_missing_catalogue_is_a_fault() -> None:
    assert [path for path, *_ in faults_of({"burst/many.yaml": RULE})] == ["features.yaml"]


def test_a_catalogue_can_be_handed_in() -> None:
    catalogue = parse_catalogue(FEATURES.replace("7d", "30d").replace("mean_30d", "mean_7d"))
    rule_set = compile_rule_set({"burst/many.yaml": RULE, "features.yaml": "not: read"}, catalogue)
    assert rule_set.catalogue is catalogue
    assert rule_set.digest != compile_rule_set({"burst/many.yaml": RULE, "features.yaml": FEATURES}).digest


def test_without_a_score_file_there_are_no_parts() -> None:
    assert compile_rule_set({"features.yaml": FEATURES, "burst/many.yaml": RULE}).scorer.inputs == {}


def test_a_retired_rule_is_kept_and_not_judged() -> None:
    retired = RULE.replace("status: live", "status: retired\nretired_because: noise")
    rule_set = compile_rule_set({**SOUND, "burst/many.yaml": retired})
    assert (rule_set.rules, [rule.name for rule in rule_set.retired]) == ((), ["burst/many"])


def test_an_outsized_rule_is_refused_unread() -> None:
    assert "Split the file" in only_fault_of(RULE + "#" * 70_000)[2]


DIGEST = compile_rule_set(SOUND).digest


@pytest.mark.parametrize(
    "change",
    [
        {"burst/many.test.yaml": "cases: []"},
        {"README.md": "# rules"},
        {"burst/many.yaml": "# a comment\n" + RULE},
        {"burst/many.yaml": RULE.replace("and amount", "\n    and   amount")},
        {"burst/many.yaml": RULE.replace("four payments", "four payments or fewer")},
        {"score.yaml": SCORE.replace("0.5", "0.50")},
    ],
)
def test_what_changes_no_alert_changes_no_digest(change: Mapping[str, str]) -> None:
    assert compile_rule_set({**SOUND, **change}).digest == DIGEST


@pytest.mark.parametrize(
    "change",
    [
        {"burst/many.yaml": RULE.replace(">= 5", ">= 6")},
        {"burst/many.yaml": RULE.replace("live", "shadow")},
        {"burst/many.yaml": RULE.replace("the last", "and then")},
        {"score.yaml": SCORE.replace("0.5", "0.51")},
        {"features.yaml": FEATURES.replace("window: 7d", "window: 8d")},
        {"burst/zwei.yaml": RULE.replace("0b6f", "0b6e")},
    ],
)
def test_what_changes_an_alert_changes_the_digest(change: Mapping[str, str]) -> None:
    assert compile_rule_set({**SOUND, **change}).digest != DIGEST


YAML_WORDS = [
    "id",
    "when",
    "title",
    ": ",
    "- ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    "|",
    ">",
    "&a",
    "*a",
    "!!python/name:os",
    "'",
]
YAML_WORDS += [
    '"',
    "#",
    "amount > 100",
    "?",
    "---",
    "...",
    "\t",
    "%TAG",
    "\x00",
    "\ud800",
    "\ufeff",
    "é",
    "0x1",
    "~",
    "<<",
]


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(YAML_WORDS), max_size=40).map("".join)))
def test_any_text_in_a_rules_place_is_compiled_or_told_its_faults(text: str) -> None:
    for path in ("features.yaml", "score.yaml", "burst/many.yaml"):
        with pytest.raises(RuleSetErrors) as caught:
            compile_rule_set({**SOUND, path: text})
        assert caught.value.faults
