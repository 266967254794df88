"""What changed rules make of the same payments: alerts gained, lost and unchanged, rule by rule.

`rule_comparison` counts it; `fraudstream rules diff` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Change = Literal["new", "removed", "changed", "same"]
LabelName = Literal["fraud", "genuine"]
OutcomeName = Literal["allow", "review", "block", "undecided"]


class Detected(msgspec.Struct, frozen=True):
    """Payments that were singled out. `count`: labelled or not; `frauds`, `genuine`: those labelled so.

    `precision`: frauds among the labelled ones, None without one.
    """

    count: int
    frauds: int
    genuine: int
    precision: float | None


class AlertGroup(msgspec.Struct, frozen=True):
    """Alerts of one kind. `per_day`: None for a period too short to say.

    `amounts`: their sum by currency as published, `fraud_amounts`: of those labelled fraud; decimal text in major
    units. `base_amount`, `fraud_base_amount`: the same in the base currency, without amounts that have no rate; None if
    amounts are not converted.
    """

    alerts: Detected
    per_day: float | None
    amounts: Mapping[str, str]
    fraud_amounts: Mapping[str, str]
    base_amount: str | None
    fraud_base_amount: str | None


class SideResult(msgspec.Struct, frozen=True):
    """What one of the two rule sets made of the payments. `rule_set`: its digest.

    `recall`: frauds alerted among all, None without one. `score`: payments whose score reaches the threshold.
    `analyst_hours`: to work the alerts, `analyst_hours_per_day`: None for a period too short to say. `undecided`:
    payments that could not be decided. `us_a_payment`: microseconds of CPU time in the engine, warm-up included.
    """

    rule_set: str
    alerts: AlertGroup
    recall: float | None
    score: Detected
    score_threshold: float
    analyst_hours: float
    analyst_hours_per_day: float | None
    undecided: int
    us_a_payment: float


class RuleOverlap(msgspec.Struct, frozen=True):
    """Where a rule of the new rule set fires: `alone`: no other live rule does and the score is below the threshold;
    `with_score`: the score reaches it; `with_rules`: other rules, shadow rules too, by how often they fire there."""

    alone: int
    with_score: int
    with_rules: Mapping[str, int]


class RuleChange(msgspec.Struct, frozen=True):
    """A rule on both sides, by its permanent id. `rule`: its name, the new one where it has two.

    `changed`: names of the fields that differ; also `name`. `before`, `after`: where it fired; None where it is not
    evaluated: there is no such rule, or it is retired. `status_before`, `status_after`: None if there is no such rule.
    `overlap`: of new and changed rules.
    """

    rule: str
    change: Change
    changed: tuple[str, ...]
    status_before: str | None
    status_after: str | None
    before: Detected | None
    after: Detected | None
    overlap: RuleOverlap | None


class OutcomeChange(msgspec.Struct, frozen=True):
    """How many payments went from one outcome to another; `undecided` is one."""

    before: str
    after: str
    payments: int


class Example(msgspec.Struct, frozen=True):
    """An alert gained or lost. `label`: None without one. `reason`: why the side that alerts it does so, in one line.
    Scores are from 0 to 1, None where the payment is undecided. `identifiers`: of people in the payment, by which a
    reader can mask those in `reason`."""

    event_id: str
    account_id: str
    occurred_at_ms: int
    amount: str
    currency: str
    label: LabelName | None
    outcome_before: OutcomeName
    outcome_after: OutcomeName
    score_before: float | None
    score_after: float | None
    reason: str
    identifiers: tuple[str, ...]


class RuleDifference(msgspec.Struct, frozen=True):
    """The difference that changed rules make. `payments`: those counted, without repeats; `warm_up`: payments before
    them, which filled the state alone. `frauds`, `genuine`: labels of those counted.

    `from_ms`, `until_ms`: the period, ms since the epoch, UTC: as asked for, else from the first to the last payment
    counted; None without one. `base_currency`: of `base_amount`. `examples_gained`, `examples_lost`: drawn by a digest
    of the event id, so that they do not depend on the order; in order of time.
    """

    payments: int
    warm_up: int
    frauds: int
    genuine: int
    from_ms: int | None
    until_ms: int | None
    days: float
    minutes_per_alert: float
    base_currency: str | None
    old: SideResult
    new: SideResult
    gained: AlertGroup
    lost: AlertGroup
    unchanged: AlertGroup
    outcome_changes: tuple[OutcomeChange, ...]
    rules: tuple[RuleChange, ...]
    examples_gained: tuple[Example, ...]
    examples_lost: tuple[Example, ...]
    schema_version: int = 1


def detected(count: int, frauds: int, genuine: int) -> Detected:
    """The counts with their precision."""
    labelled = frauds + genuine
    return Detected(count, frauds, genuine, frauds / labelled if labelled else None)
