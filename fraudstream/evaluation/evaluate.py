"""Measures the payments of a period: alerts, rules, and each scorer, with intervals, by week and by typology."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fraudstream.evaluation.alert_budget import RankedPayments, budgets, caught_by
from fraudstream.evaluation.bootstrap import bootstrap, interval, mean_interval
from fraudstream.evaluation.calibration import calibration
from fraudstream.evaluation.card_precision import card_precision
from fraudstream.evaluation.drift import Drift, ReferenceHistogram, counts_of, drift, stability_index
from fraudstream.evaluation.folds import folds_of
from fraudstream.evaluation.label_sources import by_label_source
from fraudstream.evaluation.options import Options
from fraudstream.evaluation.payments import (
    DAY_MS,
    BoolArray,
    EvaluatedPayments,
    Float64Array,
    in_period,
    not_known_before,
)
from fraudstream.evaluation.ranking import area_under_roc, average_precision, curve, score_counts
from fraudstream.evaluation.results import CardPrecision, Evaluation, Period, ScorerQuality, Typology, Week
from fraudstream.evaluation.rule_quality import rule_quality

MONDAY = 4  # 1970-01-05, the first one, in days since the epoch


class NoPaymentsError(ValueError):
    """The period holds no payment."""


class DriftInput(NamedTuple):
    """`references`: of scores and features; `values`: gives the values of all payments by the same names, float64 (n,);
    `source`: what the references are from, in words."""

    references: Sequence[ReferenceHistogram]
    values: Callable[[str], Float64Array]
    source: str


def evaluate(
    payments: EvaluatedPayments, options: Options, drifting: DriftInput | None = None, rule_set: str | None = None
) -> Evaluation:
    """Measure `payments`. `drifting`: values of the same payments, and what to compare them with.

    Raises `NoPaymentsError` if the period holds no payment.
    """
    period_days = payments.day[in_period(payments, options.from_ms, options.until_ms)]
    if not len(period_days):
        raise NoPaymentsError("no payment is in the period")
    from_ms = int(period_days.min()) * DAY_MS if options.from_ms is None else options.from_ms
    until_ms = (int(period_days.max()) + 1) * DAY_MS if options.until_ms is None else options.until_ms
    chosen = in_period(payments, options.from_ms, options.until_ms)
    in_all = int(chosen.sum())
    if options.known_since_ms is not None:
        chosen &= not_known_before(payments, options.known_since_ms, options.label_delay_ms)
    measured = payments.select(chosen)
    days = (until_ms - from_ms) / DAY_MS
    currency = _main_currency(measured)
    drifts = [] if drifting is None else _drifts(drifting, chosen)
    references = {each.reference.name: each.reference for each in drifts}
    return Evaluation(
        period=Period(
            from_ms=from_ms,
            until_ms=until_ms,
            days=days,
            payments=measured.n,
            accounts=len(np.unique(measured.account)),
            frauds=int(measured.fraud.sum()),
            genuine=int((measured.label == 0).sum()),
            left_out=in_all - measured.n,
        ),
        alerts=caught_by(measured, measured.alerted, days),
        rules=rule_quality(measured),
        scorers=_scorers(measured, options, days, currency, references),
        main_currency=None if currency is None else measured.currencies[currency],
        drift=drifts,
        drift_reference=None if drifting is None else drifting.source,
        folds=folds_of(payments, options) if options.folds > 1 else [],
        rule_set=rule_set,
    )


def _main_currency(payments: EvaluatedPayments) -> int | None:
    """Index of the currency with the most frauds, or payments if there is no fraud."""
    of = payments.currency[payments.fraud] if payments.fraud.any() else payments.currency
    return int(np.bincount(of).argmax()) if len(of) else None


def _drifts(drifting: DriftInput, chosen: BoolArray) -> list[Drift]:
    found = [drift(reference, drifting.values(reference.name)[chosen]) for reference in drifting.references]
    return sorted(found, key=lambda each: -each.index)


def _scorers(
    payments: EvaluatedPayments,
    options: Options,
    days: float,
    currency: int | None,
    references: Mapping[str, ReferenceHistogram],
) -> list[ScorerQuality]:
    results: list[ScorerQuality] = []
    champion: dict[str, Float64Array] = {}
    for name, score in payments.scores.items():
        alerts = min(int(options.alerts_per_day * days), payments.n)
        drawn = bootstrap(payments, score, alerts=alerts, currency=currency or 0, draws=options.draws)
        difference = {each: interval(drawn[each] - champion[each]) for each in champion}
        champion = champion or drawn
        counts = score_counts(score, payments.label)
        ranked = RankedPayments(payments, score, days)
        budget = ranked.at(options.alerts_per_day)
        steps = budgets(options.alerts_per_day, payments.n / days)
        results.append(
            ScorerQuality(
                name=name,
                auc=area_under_roc(counts.genuine, counts.frauds),
                average_precision=average_precision(counts.genuine, counts.frauds),
                intervals={each: interval(values) for each, values in drawn.items()},
                difference=difference,
                card_precision=_card_precision(payments, score, options),
                budget=budget,
                budget_curve=[ranked.at(step) for step in steps],
                curve=curve(counts),
                calibration=calibration(score, payments.label),
                weeks=_weeks(payments, score, budget.threshold, references.get(name)),
                typologies=_typologies(payments, score, budget.threshold),
                label_sources=by_label_source(payments, score),
            )
        )
    return results


def _card_precision(payments: EvaluatedPayments, score: Float64Array, options: Options) -> CardPrecision:
    found = card_precision(score, payments.account, payments.fraud, payments.day, options.k)
    best = card_precision(payments.fraud.astype(np.float64), payments.account, payments.fraud, payments.day, options.k)
    values = [day.precision for day in found]
    if not values:
        return CardPrecision(options.k, None, None, None, [])
    perfect = sum(day.precision for day in best) / len(best)
    return CardPrecision(
        options.k, sum(values) / len(values), mean_interval(values, options.draws), perfect, found
    )  # fmt: skip


def _reaching(score: Float64Array, threshold: float | None) -> BoolArray:
    """Which scores reach the threshold; none without one."""
    return np.zeros(len(score), np.bool_) if threshold is None else score >= threshold


def _weeks(
    payments: EvaluatedPayments, score: Float64Array, threshold: float | None, reference: ReferenceHistogram | None
) -> list[Week]:
    found = []
    monday = (payments.day - MONDAY) // 7 * 7 + MONDAY
    for first in np.unique(monday).tolist():
        chosen = monday == first
        week, week_score = payments.select(chosen), score[chosen]
        counts = score_counts(week_score, week.label)
        index = None
        if reference is not None:
            index = stability_index(reference.all_counts, counts_of(reference.edges, week_score))
        found.append(
            Week(
                first_day=first,
                payments=week.n,
                frauds=int(week.fraud.sum()),
                auc=area_under_roc(counts.genuine, counts.frauds),
                average_precision=average_precision(counts.genuine, counts.frauds),
                at_threshold=caught_by(week, _reaching(week_score, threshold), len(np.unique(week.day))),
                stability_index=index,
            )
        )
    return found


def _typologies(payments: EvaluatedPayments, score: Float64Array, threshold: float | None) -> list[Typology]:
    found = []
    genuine = payments.label == 0
    for number, name in enumerate(payments.typologies):
        of = payments.fraud & (payments.typology == number)
        if not of.any():
            continue
        counts = score_counts(score[of | genuine], payments.label[of | genuine])
        found.append(
            Typology(
                name=name,
                frauds=int(of.sum()),
                auc=area_under_roc(counts.genuine, counts.frauds),
                at_threshold=int(_reaching(score[of], threshold).sum()),
                alerted=int(payments.alerted[of].sum()),
            )
        )
    return sorted(found, key=lambda each: (-each.frauds, each.name))
