"""Scores the payments of batches by what their partition has learned, and lets it learn from them and their labels."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.engine.arrays import BoolArray, Float64Array, Int8Array, Int64Array, UInt8Array
from fraudstream.engine.batch import Batch
from fraudstream.engine.label_entries import NO_ENTRY, FoundLabels
from fraudstream.engine.label_index import LabelIndex
from fraudstream.engine.learned_score.kernel import score_log
from fraudstream.engine.learned_score.score_state import ScoreState
from fraudstream.engine.learned_score.scorer import EvidenceScorer, EvidenceScores
from fraudstream.engine.scorer import POINTS_MAX


def new_score_state(scorer: EvidenceScorer) -> ScoreState:
    """The state of a partition of which no record was applied: that of the scorer's calibration, if it has one."""
    state = ScoreState(scorer.arrays, scorer.layout or "")
    if scorer.calibration is not None:
        state.begin_with(scorer.calibration.content.parts, scorer.calibration.content.totals)
    return state


class EvidenceScoring:
    """Scores for one engine. `parts`: how many the score has."""

    def __init__(self, scorer: EvidenceScorer) -> None:
        self.parts, self._learns, self._rare = len(scorer.parts), scorer.learns, scorer.rare
        self._fixed = None if scorer.learns else new_score_state(scorer)
        self._held = np.zeros((0, self.parts), np.uint8)
        self._score_log = Direct(score_log)

    def score(
        self,
        learned: ScoreState | None,
        value: Float64Array,
        batch: Batch,
        counted: BoolArray,
        labels: LabelIndex | None,
        found: FoundLabels,
    ) -> EvidenceScores:
        """The scores of the p payments of a batch, and the state after its events.

        `learned`, `labels`: of the partition; they are used only if the scorer learns. `value`: of each part; float64,
        shape (parts, p). `counted`: the payments that are counted; bool, shape (p,). `found`: what the events are in
        `labels`.
        """
        if not self._learns:
            assert self._fixed is not None, "a score that does not learn has a state of its own"
            nothing = _NoEvents(batch.columns.n)
            return self._walk(self._fixed, value, nothing.payment, nothing.label, nothing.found, counted, self._held)
        assert learned is not None, "a score that learns has a state in its partition"
        assert labels is not None, "a score that learns has a label index"
        payment, label = np.arange(batch.n), np.zeros(batch.n, np.int8)
        if batch.labels:
            payment, label[batch.label_at] = batch.payment_of, batch.label_columns.value
        if batch.n:
            learned.touch()
        return self._walk(learned, value, payment, label, found, counted, labels.arrays.bins)

    def _walk(
        self,
        state: ScoreState,
        value: Float64Array,
        payment: Int64Array,
        label: Int8Array,
        found: FoundLabels,
        counted: BoolArray,
        held: UInt8Array,
    ) -> EvidenceScores:
        n = value.shape[1]
        contribution, points = np.empty((n, self.parts + 1), np.int64), np.empty(n, np.int32)
        code = np.empty((n, self.parts), np.uint8)
        self._score_log(
            state.definition,
            state.counts,
            self._learns,
            POINTS_MAX,
            payment,
            found.entry,
            label,
            found.before,
            value,
            counted,
            held,
            code,
            contribution,
            points,
        )
        return EvidenceScores(contribution, points, code, self._rare)


class _NoEvents:
    """The events of n payments, none of which has an entry."""

    def __init__(self, n: int) -> None:
        self.payment, self.label = np.arange(n), np.zeros(n, np.int8)
        self.found = FoundLabels(np.full(n, NO_ENTRY, np.int64), np.zeros(n, np.int8))
