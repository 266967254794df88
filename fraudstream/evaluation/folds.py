"""The measures over several periods that follow one another: how far one period's figures are chance.

known since ──┐      ┌─ period ─┐
fold 1        k······[ f      u )
fold 2               k······[ f      u )         each later by the length of the period
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from fraudstream.evaluation.alert_budget import RankedPayments
from fraudstream.evaluation.card_precision import card_precision
from fraudstream.evaluation.options import Options
from fraudstream.evaluation.payments import DAY_MS, EvaluatedPayments, Float64Array, in_period, not_known_before
from fraudstream.evaluation.ranking import area_under_roc, average_precision, score_counts

MEASURES = ("auc", "average_precision", "card_precision", "precision", "recall")


class Fold(msgspec.Struct, frozen=True):
    """One period, from `from_ms` to before `until_ms`, ms since the epoch. The measures are those of `MEASURES`;
    precision and recall at the alert budget. None where one is not defined."""

    from_ms: int
    until_ms: int
    payments: int
    frauds: int
    auc: float | None
    average_precision: float | None
    card_precision: float | None
    precision: float | None
    recall: float | None


class ScorerFolds(msgspec.Struct, frozen=True):
    """The folds of a scorer. `mean` and `deviation` (of a sample, divided by n − 1): by measure, of the folds in which
    it is defined; None with none, and no deviation with one."""

    name: str
    folds: list[Fold]
    mean: dict[str, float | None]
    deviation: dict[str, float | None]


def folds_of(payments: EvaluatedPayments, options: Options) -> list[ScorerFolds]:
    """The folds of each scorer: `options.folds` periods, the first as the options say.

    Raises `ValueError` if the period has no beginning or no end.
    """
    if options.from_ms is None or options.until_ms is None:
        raise ValueError("folds need a period with a beginning and an end")
    length = options.until_ms - options.from_ms
    found: dict[str, list[Fold]] = {name: [] for name in payments.scores}
    for number in range(options.folds):
        from_ms = options.from_ms + number * length
        chosen = in_period(payments, from_ms, from_ms + length)
        if options.known_since_ms is not None:
            known_since_ms = options.known_since_ms + number * length
            chosen &= not_known_before(payments, known_since_ms, options.label_delay_ms)
        part = payments.select(chosen)
        for name, score in part.scores.items():
            found[name].append(_fold(part, score, from_ms, from_ms + length, options))
    return [
        ScorerFolds(
            name,
            folds,
            {measure: _mean(_defined(folds, measure)) for measure in MEASURES},
            {measure: _deviation(_defined(folds, measure)) for measure in MEASURES},
        )
        for name, folds in found.items()
    ]


def _fold(payments: EvaluatedPayments, score: Float64Array, from_ms: int, until_ms: int, options: Options) -> Fold:
    counts = score_counts(score, payments.label)
    days = card_precision(score, payments.account, payments.fraud, payments.day, options.k)
    caught = RankedPayments(payments, score, (until_ms - from_ms) / DAY_MS).at(options.alerts_per_day).caught
    return Fold(
        from_ms,
        until_ms,
        payments.n,
        int(payments.fraud.sum()),
        area_under_roc(counts.genuine, counts.frauds),
        average_precision(counts.genuine, counts.frauds),
        _mean([day.precision for day in days]),
        caught.precision,
        caught.recall,
    )


def _defined(folds: Sequence[Fold], measure: str) -> list[float]:
    return [value for fold in folds if (value := getattr(fold, measure)) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _deviation(values: Sequence[float]) -> float | None:
    mean = _mean(values)
    if mean is None or len(values) < 2:
        return None
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
