"""Tunes an evidence score on a file: lets it learn from the beginning, and finds the thresholds that budgets come to.

    payments and labels in order ──engine──► scores, each by what precedes the payment
                                     │         └ of the last days ──► thresholds, reference
                                     └─► what the score has learned ──► calibration

Scores are those of a replay, so a threshold is what it would have been, not what it is once the labels are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from fraudstream.backtest.label_order import Events, LabelledPayments, in_batches, in_order
from fraudstream.contracts.duration import UNITS_MS
from fraudstream.engine.arrays import Int8Array, Int32Array, Int64Array
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.engine import Engine
from fraudstream.engine.learned_score.calibration import (
    FORMAT,
    Budget,
    CalibrationContent,
    Reference,
    Threshold,
)
from fraudstream.engine.learned_score.score_state import ScoreState, saved_part
from fraudstream.engine.learned_score.scorer import EvidenceScorer
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.evaluation.drift import reference_histogram


class TuningError(ValueError):
    """The score cannot be tuned on these payments; the message says why."""


def tune(
    rule_set: RuleSet,
    batches: Iterable[LabelledPayments | Events],
    budgets: Sequence[Budget],
    *,
    label_delay_ms: int,
    span_ms: int,
    batch_size: int,
    digest_key: DigestKey = PUBLIC_KEY,
    progress: Callable[[int, int], None] = lambda payments, alerts: None,
) -> CalibrationContent:
    """The calibration of the rule set's evidence score on payments and their labels.

    `rule_set`: compiled `to_be_tuned`. `label_delay_ms`: time from a payment to its label. `span_ms`: thresholds and
    the reference are those of the payments so long before the last one. `batch_size`: events per engine call; it does
    not affect the result. Raises `TuningError`, and whatever `batches` raises.
    """
    scorer = rule_set.base_score
    if not isinstance(scorer, EvidenceScorer):
        raise TuningError("rules/score.yaml has no evidence score ('kind: evidence'): there is nothing to tune.")
    engine = Engine(replace_scorer(rule_set, scorer), digest_key=digest_key)
    state = engine.new_state()
    points: list[Int32Array] = []
    labels: list[Int8Array] = []
    times: list[Int64Array] = []
    for batch in in_batches(in_order(batches, label_delay_ms), batch_size):
        verdicts = engine.judge(batch.events, state)
        if verdicts.n:
            scored = ~verdicts.repeat
            points.append(verdicts.score_points[scored])
            labels.append(batch.labels[verdicts.positions][scored])
            times.append(verdicts.occurred_at_ms[scored])
            progress(verdicts.n, 0)
    if not points:
        raise TuningError("there is no payment to tune the score on.")
    assert state.learned is not None, "an evidence score that learns has a state"
    all_times = np.concatenate(times)
    chosen = all_times > all_times.max() - span_ms
    of_span = np.concatenate(points)[chosen], np.concatenate(labels)[chosen]
    days = (int(all_times[chosen].max() - all_times[chosen].min()) + 1) / UNITS_MS["d"]
    return _content(scorer, state.learned, all_times, of_span[0], [threshold(b, *of_span, days) for b in budgets])


def replace_scorer(rule_set: RuleSet, scorer: EvidenceScorer) -> RuleSet:
    """The rule set with a score that learns and alerts nothing."""
    return replace(rule_set, scorer=replace(scorer, learns=True, calibration=None, threshold_points=POINTS_MAX))


def threshold(budget: Budget, points: Int32Array, labels: Int8Array, days: float) -> Threshold:
    """The lowest threshold that keeps a budget on n payments. `points`: int32; `labels`: 1 fraud, 0 genuine, -1
    unlabelled; int8; both of shape (n,). Raises `TuningError` if no threshold keeps it.

    >>> points, labels = np.array([10, 20, 30, 40], np.int32), np.array([0, 1, 0, 1], np.int8)
    >>> threshold(Budget("alerts_per_day", 2), points, labels, 1.0).points
    21
    >>> threshold(Budget("precision_floor", 0.6), points, labels, 1.0).points
    20
    """
    order = np.argsort(-points, kind="stable")
    ranked, frauds = points[order], np.cumsum(labels[order] == 1)
    genuine = np.cumsum(labels[order] == 0)
    if budget.budget == "alerts_per_day":
        most = int(budget.amount * days)
        found = int(ranked[most]) + 1 if most < len(ranked) else int(ranked[-1])
    else:
        ends = np.append(ranked[1:] != ranked[:-1], True)  # where a threshold can be: after all of one score
        kept = np.flatnonzero(ends & (frauds >= budget.amount * (frauds + genuine)) & (frauds > 0))
        if not len(kept):
            raise TuningError(f"no threshold reaches a precision of {budget.amount:g} on these payments.")
        found = int(ranked[kept[-1]])
    found = min(max(found, 1), POINTS_MAX)
    alerts = int(np.count_nonzero(ranked >= found))
    caught, wrong = (int(counts[alerts - 1]) if alerts else 0 for counts in (frauds, genuine))
    return Threshold(
        budget.budget,
        budget.amount,
        found,
        round(alerts / days, 4),
        round(caught / (caught + wrong), 6) if caught + wrong else None,
        round(caught / int(frauds[-1]), 6) if frauds[-1] else None,
    )


def _content(
    scorer: EvidenceScorer, state: ScoreState, times: Int64Array, points: Int32Array, thresholds: list[Threshold]
) -> CalibrationContent:
    reference = reference_histogram("score", points / POINTS_MAX)
    return CalibrationContent(
        format=FORMAT,
        parts_digest=scorer.parts_digest,
        names=[part.name for part in scorer.parts],
        parts=[saved_part(state.counts, part) for part in range(len(scorer.parts))],
        totals=state.totals(),
        payments=len(times),
        begin_ms=int(times.min()),
        end_ms=int(times.max()),
        thresholds=thresholds,
        reference=Reference("score", list(reference.edges), list(reference.counts), reference.missing),
    )
