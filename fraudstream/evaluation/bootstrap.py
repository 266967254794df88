"""Intervals by the bootstrap. Accounts are drawn, not payments: the payments of one account are not independent.

The seed is fixed, so the same payments give the same intervals, and two scorers are measured on the same draws: the
interval of their difference is that of pairs. Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fraudstream.evaluation.payments import EvaluatedPayments, Float64Array, Int64Array
from fraudstream.evaluation.ranking import area_under_roc, average_precision

SEED = 12
MEASURES = ("auc", "average_precision", "precision", "recall", "value_detection_rate")


class Interval(NamedTuple):
    """The middle 95 % of the draws."""

    low: float
    high: float


def bootstrap(
    payments: EvaluatedPayments, score: Float64Array, *, alerts: int, currency: int, draws: int
) -> dict[str, Float64Array]:
    """The measures of `MEASURES` on each draw, NaN where one is not defined: by name, float64, shape (draws,).

    `alerts`: those of the whole period, of the highest scores, expected among ties. `currency`: index of the one whose
    amounts the value-detection rate counts.
    """
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if len(ranked) else np.zeros(0, np.int64)
    present, account = np.unique(payments.account[order], return_inverse=True)
    fraud, labelled = payments.fraud[order], payments.label[order] >= 0
    amount = np.where(fraud & (payments.currency[order] == currency), payments.amount_minor[order], 0)
    rng = np.random.default_rng(SEED)
    found = np.full((draws, len(MEASURES)), np.nan)
    for draw in range(draws if len(starts) else 0):
        times = np.bincount(rng.integers(0, len(present), len(present)), minlength=len(present))[account]
        sums = [np.add.reduceat(each, starts) for each in (times, times * fraud, times * labelled, times * amount)]
        found[draw] = _measures(sums, alerts)
    return {name: found[:, number] for number, name in enumerate(MEASURES)}


def _measures(sums: Sequence[Int64Array], alerts: int) -> list[float]:
    """`sums`: of payments, frauds, labelled and amounts of frauds by score, highest score first."""
    payments, frauds, labelled, amount = sums
    genuine = labelled - frauds
    auc, ap = area_under_roc(genuine[::-1], frauds[::-1]), average_precision(genuine[::-1], frauds[::-1])
    taken = np.cumsum(payments)
    group = int(np.searchsorted(taken, alerts))
    whole = np.arange(len(taken)) < group
    share = 0.0
    if group < len(taken) and payments[group]:
        share = float(alerts - (taken[group] - payments[group])) / float(payments[group])

    def caught(counts: Int64Array) -> float:
        return float(counts[whole].sum()) + (float(counts[group]) * share if group < len(counts) else 0.0)

    def divided(above: float, below: float) -> float:
        return above / below if below else np.nan

    return [
        np.nan if auc is None else auc,
        np.nan if ap is None else ap,
        divided(caught(frauds), caught(labelled)),
        divided(caught(frauds), float(frauds.sum())),
        divided(caught(amount), float(amount.sum())),
    ]


def interval(values: Float64Array) -> Interval | None:
    """The middle 95 % of some values without NaN; None if there are none."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5]).tolist()
    return Interval(low, high)


def mean_interval(values: Sequence[float], draws: int) -> Interval | None:
    """Interval of the mean of independent values, such as one a day; None with fewer than two."""
    if len(values) < 2 or not draws:
        return None
    rng, array = np.random.default_rng(SEED), np.array(values)
    return interval(array[rng.integers(0, len(array), (draws, len(array)))].mean(axis=1))
