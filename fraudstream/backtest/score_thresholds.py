"""What budgets come to on scored payments, and the calibration with them of what a score has learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fraudstream.contracts.duration import UNITS_MS
from fraudstream.engine.arrays import Int8Array, Int32Array, Int64Array
from fraudstream.engine.learned_score.calibration import (
    FORMAT,
    Budget,
    CalibrationContent,
    Reference,
    Threshold,
)
from fraudstream.engine.learned_score.score_state import ScoreState, saved_part
from fraudstream.engine.learned_score.scorer import EvidenceScorer
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.evaluation.drift import reference_histogram
from fraudstream.evaluation.lowest_threshold import lowest_threshold


class TuningError(ValueError):
    """The score cannot be tuned on these payments; the message says why."""


class ScoredPayments(NamedTuple):
    """n payments, each scored by what preceded it. `points`: millionths, int32; `labels`: 1 fraud, 0 genuine, -1
    unlabelled, int8; `occurred_at_ms`: event times, ms since the epoch, UTC, int64; all of shape (n,)."""

    points: Int32Array
    labels: Int8Array
    occurred_at_ms: Int64Array


def calibration_of(
    scorer: EvidenceScorer, learned: ScoreState, scored: ScoredPayments, budgets: Sequence[Budget], span_ms: int
) -> CalibrationContent:
    """The calibration of what `scorer` has `learned`.

    `scored`: payments to resolve `budgets` on, at least one. `span_ms`: thresholds and the reference are those of the
    payments so long before the last one. Raises `TuningError`.
    """
    times = scored.occurred_at_ms
    chosen = times > times.max() - span_ms
    points, labels = scored.points[chosen], scored.labels[chosen]
    days = (int(times[chosen].max() - times[chosen].min()) + 1) / UNITS_MS["d"]
    reference = reference_histogram("score", points / POINTS_MAX)
    return CalibrationContent(
        format=FORMAT,
        parts_digest=scorer.parts_digest,
        names=[part.name for part in scorer.parts],
        parts=[saved_part(learned.counts, part) for part in range(len(scorer.parts))],
        totals=learned.totals(),
        payments=len(times),
        begin_ms=int(times.min()),
        end_ms=int(times.max()),
        thresholds=[threshold(budget, points, labels, days) for budget in budgets],
        reference=Reference("score", list(reference.edges), list(reference.counts), reference.missing),
    )


def threshold(budget: Budget, points: Int32Array, labels: Int8Array, days: float) -> Threshold:
    """The lowest threshold that keeps a budget on n payments. `points`, `labels`: as of `ScoredPayments`. `days`: their
    span. Raises `TuningError` if no threshold keeps it.

    >>> points, labels = np.array([10, 20, 30, 40], np.int32), np.array([0, 1, 0, 1], np.int8)
    >>> threshold(Budget("alerts_per_day", 2), points, labels, 1.0).points
    21
    >>> threshold(Budget("precision_floor", 0.6), points, labels, 1.0).points
    20
    """
    if budget.budget == "alerts_per_day":
        found = lowest_threshold(points, np.ones(len(points)), budget.amount * days)
    else:
        found = _of_precision(budget.amount, points, labels)
    found = min(max(found, 1), POINTS_MAX)
    alerted, frauds = points >= found, int(np.count_nonzero(labels == 1))
    caught, wrong = (int(np.count_nonzero(alerted & (labels == label))) for label in (1, 0))
    return Threshold(
        budget.budget,
        budget.amount,
        found,
        round(int(np.count_nonzero(alerted)) / days, 4),
        round(caught / (caught + wrong), 6) if caught + wrong else None,
        round(caught / frauds, 6) if frauds else None,
    )


def _of_precision(floor: float, points: Int32Array, labels: Int8Array) -> int:
    """The lowest score from which on at least `floor` of the labelled payments are frauds."""
    order = np.argsort(-points, kind="stable")
    ranked, frauds, genuine = points[order], np.cumsum(labels[order] == 1), np.cumsum(labels[order] == 0)
    ends = np.append(ranked[1:] != ranked[:-1], True)  # where a threshold can be: after all of one score
    kept = np.flatnonzero(ends & (frauds >= floor * (frauds + genuine)) & (frauds > 0))
    if not len(kept):
        raise TuningError(f"no threshold reaches a precision of {floor:g} on these payments.")
    return int(ranked[kept[-1]])
