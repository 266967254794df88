"""One standard for every rule that is shipped. Each test lists all offenders, with what was found and what is due."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fraudstream.backtest.rule_cases import Case, read_cases, run_rule_cases
from fraudstream.engine.arena import Arena
from fraudstream.engine.plan import plan_entity
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.engine.scorer import names_read

ROOT = Path(__file__).parents[3]
RULES = ROOT / "rules"
TEXTS = {path.relative_to(RULES).as_posix(): path.read_text(encoding="utf-8") for path in RULES.glob("**/*.yaml")}
ROW_BYTES_MAX = {"account": 7 * 1024, "terminal": 11 * 1024, "merchant": 11 * 1024, "counterparty": 11 * 1024}
OTHER_ROW_BYTES_MAX = 3 * 1024
FOR_MODELS = {"pause", "category.z_amount"}  # a trained model reads all features


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return compile_rule_set(TEXTS)


@pytest.fixture(scope="module")
def cases(rule_set: RuleSet) -> dict[str, list[Case]]:
    return {
        rule.name: read_cases(TEXTS.get(f"{rule.name}.test.yaml", "cases: []"), rule.name, rule_set)
        for rule in rule_set.rules
    }


def test_at_least_22_rules_over_9_typologies_are_shipped(rule_set: RuleSet) -> None:
    assert len(rule_set.rules) >= 22
    assert len({rule.name.partition("/")[0] for rule in rule_set.rules}) >= 9


def test_every_case_passes(rule_set: RuleSet) -> None:
    failed = [
        f"{result.rule}: {result.case.name}: expected {result.expected}, found {result.actual}"
        for result in run_rule_cases(rule_set, TEXTS).results
        if not result.passed
    ]
    assert failed == []


def test_every_rule_shows_a_firing_a_near_miss_and_a_false_positive(cases: dict[str, list[Case]]) -> None:
    due = {("firing", "fires"), ("near_miss", "silent")}
    lacking = {
        name: found
        for name, of_rule in cases.items()
        if not due <= (found := {(case.shows, case.expect) for case in of_rule})
        or "false_positive" not in {shows for shows, _ in found}
        or ("firing", "silent") in found
        or ("near_miss", "fires") in found
    }
    assert lacking == {}


def test_a_false_positive_says_why_it_fires_or_which_guard_keeps_it_silent(cases: dict[str, list[Case]]) -> None:
    words = {"fires": "nothing here tells", "silent": "is kept silent by"}
    unsaid = [
        f"{name}: {case.name}"
        for name, of_rule in cases.items()
        for case in of_rule
        if case.shows == "false_positive" and words[case.expect] not in case.name
    ]
    assert unsaid == []


def test_every_rule_is_documented(rule_set: RuleSet) -> None:
    offenders = [
        rule.name for rule in rule_set.rules if not (rule.blind_spots and rule.false_positives and rule.references)
    ]
    assert offenders == []


def test_every_reference_leads_somewhere(rule_set: RuleSet) -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/typologies.md").read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {f"docs/typologies.md#{heading.lower().replace(' ', '-')}" for heading in headings}
    astray = {rule.name: rule.references for rule in rule_set.rules if not set(rule.references) <= anchors}
    assert astray == {}


def test_every_rule_is_named_where_its_typology_is_described(rule_set: RuleSet) -> None:
    described = (ROOT / "docs/typologies.md").read_text(encoding="utf-8")
    unnamed = [rule.name for rule in rule_set.rules if f"`{rule.name.partition('/')[2]}`" not in described]
    assert unnamed == []


def test_every_rule_bears_the_tag_of_its_typology(rule_set: RuleSet) -> None:
    offenders = {
        rule.name: rule.tags
        for rule in rule_set.rules
        if f"typology.{rule.name.partition('/')[0].replace('_', '-')}" not in rule.tags
    }
    assert offenders == {}


def test_a_message_says_more_than_the_title(rule_set: RuleSet) -> None:
    assert [rule.name for rule in rule_set.rules if not rule.message.fields] == []


def test_only_high_severity_blocks(rule_set: RuleSet) -> None:
    blocking = {rule.name: rule.severity for rule in rule_set.rules if rule.outcome == "block"}
    assert blocking
    assert set(blocking.values()) <= {"high", "critical"}


def test_every_feature_is_used(rule_set: RuleSet) -> None:
    catalogue = rule_set.catalogue
    derived_from = [derived.expression.names for derived in catalogue.derived]
    used = names_read(rule_set.scorer).union(*(rule.names for rule in rule_set.rules), *derived_from)
    declared = {feature.name for feature in catalogue.features} | {derived.name for derived in catalogue.derived}
    assert declared - used == FOR_MODELS


def test_a_busy_row_of_each_entity_fits_its_budget(rule_set: RuleSet) -> None:
    catalogue = rule_set.catalogue
    too_large = {
        entity.name: size
        for entity in catalogue.entities
        if (size := Arena(plan_entity(catalogue, entity).shape).row_bytes_max)
        > ROW_BYTES_MAX.get(entity.name, OTHER_ROW_BYTES_MAX)
    }
    assert too_large == {}
