"""Tunes an evidence score on a log: lets it learn from the beginning, and finds the thresholds that budgets come to.

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
from fraudstream.backtest.score_thresholds import ScoredPayments, TuningError, calibration_of
from fraudstream.contracts.control import ListEntry
from fraudstream.engine.control import change_list
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.engine import Engine
from fraudstream.engine.learned_score.calibration import Budget, CalibrationContent
from fraudstream.engine.learned_score.scorer import EvidenceScorer
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX


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
    tuning = Tuning(rule_set, digest_key)
    for batch in in_batches(in_order(batches, label_delay_ms), batch_size):
        progress(tuning.add(batch), 0)
    return tuning.calibration(budgets, span_ms)


class Tuning:
    """A score that learns from a log, batch by batch. Batches have no meaning: their sizes do not affect the result."""

    def __init__(self, rule_set: RuleSet, digest_key: DigestKey = PUBLIC_KEY) -> None:
        """Parameters as of `tune`. Raises `TuningError` for a rule set without an evidence score."""
        self._scorer = evidence_score(rule_set)
        self._engine = Engine(learning_only(rule_set, self._scorer), digest_key=digest_key)
        self._state = self._engine.new_state()
        self._scored: list[ScoredPayments] = []

    def add(self, batch: Events) -> int:
        """Learn from payments and labels, in the order of the log; the number of payments."""
        verdicts = self._engine.judge(batch.events, self._state)
        if verdicts.n:
            scored = ~verdicts.repeat
            labels = batch.labels[verdicts.positions]
            self._scored.append(
                ScoredPayments(verdicts.score_points[scored], labels[scored], verdicts.occurred_at_ms[scored])
            )
        return verdicts.n

    def change_list(self, entry: ListEntry) -> None:
        """Put a value on a list, or take it off, for the payments that follow. One that is refused changes nothing."""
        change_list(self._engine.rule_set, self._state, entry)

    def calibration(self, budgets: Sequence[Budget], span_ms: int) -> CalibrationContent:
        """What was learned, as `calibration_of`. Raises `TuningError`."""
        if not any(len(part.points) for part in self._scored):
            raise TuningError("there is no payment to tune the score on.")
        assert self._state.learned is not None, "an evidence score that learns has a state"
        scored = ScoredPayments(*map(np.concatenate, zip(*self._scored, strict=True)))
        return calibration_of(self._scorer, self._state.learned, scored, budgets, span_ms)


def evidence_score(rule_set: RuleSet) -> EvidenceScorer:
    """The rule set's evidence score. Raises `TuningError` if it has none."""
    scorer = rule_set.base_score
    if not isinstance(scorer, EvidenceScorer):
        raise TuningError("rules/score.yaml has no evidence score ('kind: evidence'): there is nothing to tune.")
    return scorer


def learning_only(rule_set: RuleSet, scorer: EvidenceScorer) -> RuleSet:
    """The rule set with a score that learns and alerts nothing."""
    return replace(rule_set, scorer=replace(scorer, learns=True, calibration=None, threshold_points=POINTS_MAX))
