"""The result of an evaluation as one document: `evaluation.json`, and what the report shows.

Money is in minor units. Shares, rates and scores are in 0 to 1. An interval holds the middle 95 % of bootstrap draws,
None where it was not computed. Times are ms since the epoch, UTC; days count from the epoch.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fraudstream.evaluation.alert_budget import BudgetPoint, Caught
from fraudstream.evaluation.bootstrap import Interval
from fraudstream.evaluation.calibration import Calibration
from fraudstream.evaluation.card_precision import DayPrecision
from fraudstream.evaluation.drift import Drift
from fraudstream.evaluation.folds import ScorerFolds
from fraudstream.evaluation.ranking import CurvePoint
from fraudstream.evaluation.rule_quality import RuleQuality


class CardPrecision(msgspec.Struct, frozen=True):
    """Card Precision@k. `mean`: over the days; `perfect`: of a scorer that knows the labels. None without days."""

    k: int
    mean: float | None
    interval: Interval | None
    perfect: float | None
    days: list[DayPrecision]


class Week(msgspec.Struct, frozen=True):
    """A week of Monday to Sunday, UTC, or what the period holds of it. `first_day`: its Monday.

    `auc`, `average_precision`: within the week. `at_threshold`: of the champion's or challenger's threshold for the
    alert budget over the whole period. `stability_index`: of the score against the drift reference, None without one.
    """

    first_day: int
    payments: int
    frauds: int
    auc: float | None
    average_precision: float | None
    at_threshold: Caught
    stability_index: float | None


class Typology(msgspec.Struct, frozen=True):
    """Frauds of one kind. `auc`: against all genuine payments. `at_threshold`: how many of them score at least the
    threshold for the alert budget; `alerted`: how many were alerted."""

    name: str
    frauds: int
    auc: float | None
    at_threshold: int
    alerted: int


class LabelSource(msgspec.Struct, frozen=True):
    """The labels of one source, None: of labels that name none. `others`: whether these are all sources but the most
    frequent. `confidence`: mean of how sure the labels that say it are, None if none does. `brier`,
    `brier_of_base_rate`, `expected_error`: as of `Calibration`, of the scores of its labelled payments."""

    source: str | None
    labels: int
    frauds: int
    confidence: float | None
    brier: float | None
    brier_of_base_rate: float | None
    expected_error: float | None
    others: bool = False


class ScorerQuality(msgspec.Struct, frozen=True):
    """How well one scorer finds fraud. `intervals`: by the name of a measure, as of `bootstrap.MEASURES`.

    `difference`: intervals of this scorer's measure less the champion's, on the same draws; empty for the champion.
    `budget`: at the alert budget asked for. `budget_curve`: at others too.
    """

    name: str
    auc: float | None
    average_precision: float | None
    intervals: dict[str, Interval | None]
    difference: dict[str, Interval | None]
    card_precision: CardPrecision
    budget: BudgetPoint
    budget_curve: list[BudgetPoint]
    curve: list[CurvePoint]
    calibration: Calibration
    weeks: list[Week]
    typologies: list[Typology]
    label_sources: list[LabelSource]


class Period(msgspec.Struct, frozen=True):
    """What was measured. `left_out`: payments of accounts whose fraud was known. `days`: length of the period."""

    from_ms: int
    until_ms: int
    days: float
    payments: int
    accounts: int
    frauds: int
    genuine: int
    left_out: int


class Evaluation(msgspec.Struct, frozen=True):
    """All results. `alerts`: what the alerts that were raised find. `main_currency`: the one with the most fraud
    payments, whose value-detection rate has an interval; None without payments. `scorers`: the champion first.
    `folds`: of each scorer; empty if the period alone was measured.
    `drift`: of scores and features, the furthest first; `drift_reference`: what they are compared with, in words.
    """

    period: Period
    alerts: Caught
    rules: list[RuleQuality]
    scorers: list[ScorerQuality]
    main_currency: str | None
    drift: list[Drift]
    drift_reference: str | None
    folds: list[ScorerFolds]
    rule_set: str | None = None
    schema_version: int = 1


def encode(evaluation: Evaluation) -> bytes:
    """The document as JSON, named tuples as objects."""
    return msgspec.json.format(msgspec.json.encode(_plain(evaluation)), indent=2) + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
