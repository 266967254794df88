"""Decides the payments of a batch whose features are in its frame: derived features, rules, score, first verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.contracts.fields import Outcome
from fraudstream.engine import kernel
from fraudstream.engine.aggregates.code_tables import digests_of_codes
from fraudstream.engine.arrays import BoolArray, Int8Array, Int32Array, Int64Array, UInt64Array
from fraudstream.engine.entity_update import Updated
from fraudstream.engine.explanation import Explainer
from fraudstream.engine.expression import Type, ValueList
from fraudstream.engine.frame_columns import FrameColumns, FrameIndex
from fraudstream.engine.frame_layout import evidence_row
from fraudstream.engine.kernel_types import FRESH
from fraudstream.engine.label_results import label_results
from fraudstream.engine.learned_score.scorer import EvidenceScorer, evidence_parts
from fraudstream.engine.learned_score.scoring import EvidenceScoring
from fraudstream.engine.ledger import FirstVerdicts
from fraudstream.engine.lists import Lists
from fraudstream.engine.partition_state import Finding, PartitionState
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.program import verdict_program
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.score import PartScores, PartsScorer
from fraudstream.engine.scorer import POINTS_MAX, Scores
from fraudstream.engine.settling import OUT_OF_RANGE, REPEAT_OF_REPEAT, SETTLED, mark_repeats, settle
from fraudstream.engine.trees.inputs import SCORE
from fraudstream.engine.trees.scorer import ModelScorer
from fraudstream.engine.verdict import Verdicts

WORD_BITS = 64


class Decider:
    """Decides under one rule set. `plans`: of all entities; `stage`: part of the alert ids; `index`: of the frames.

    Rules and a parts score run as one program. Another scorer reads the frame's columns through its interface.
    """

    def __init__(self, rule_set: RuleSet, plans: Sequence[EntityPlan], stage: str, index: FrameIndex) -> None:
        self._rule_set, self._plans, self._stage = rule_set, plans, stage
        self._explainer = Explainer(rule_set, plans)
        text_features = [f.name for plan in plans for f in plan.features if f.type is Type.TEXT]
        self._text_features = [name for name in text_features if name in index.texts]
        self._lists = np.array([index.numbers[f"lists.{name}"] for name in rule_set.lists], np.int64)
        base = rule_set.base_score
        parts = base.parts if isinstance(base, PartsScorer) else ()
        evidence = {evidence_row(part.name): part for part in evidence_parts(base)}
        self._program = verdict_program(
            rule_set.catalogue.derived, rule_set.rules, parts, index.layout, index.digest_key, evidence
        )
        self._evidence_from = index.numbers[next(iter(evidence))] if evidence else 0
        self._scoring = EvidenceScoring(base) if isinstance(base, EvidenceScorer) else None
        self._words = max(1, -(-len(rule_set.rules) // WORD_BITS))
        self._plain = Finding(rule_set.digest, "allow", (), ())
        self._mark_repeats, self._settle, self._remember = (
            Direct(mark_repeats),
            Direct(settle),
            Direct(kernel.remember_verdicts),
        )

    def decide(self, updated: Updated, state: PartitionState) -> Verdicts:
        """Evaluate rules and score, and record first verdicts.

        A repeat fires no rule and gets the first verdict of the payment that it repeats. A repeat whose first verdict
        is no longer held is decided as a late payment.
        """
        batch, columns = updated.batch, updated.batch.columns
        n, status = columns.n, batch.of_payments(updated.status)
        first = state.ledger.enter(columns.event, status) if state.ledger is not None else updated.first_verdicts()
        repeat, late, altered = np.empty(n, np.bool_), np.empty(n, np.bool_), np.empty(n, np.bool_)
        self._mark_repeats(status, first.score, columns.frame.number, updated.error, repeat, late, altered)
        self._add_columns(columns, state.lists)
        fired, part_points = self._program.run(columns.frame, columns)
        scores, shadow_points = self._scores(updated, state, part_points, status)
        score = scores.points
        finding = self._findings(state, fired, score, repeat, first)
        self._record_first_verdicts(updated, state, status, score, finding)
        return Verdicts(
            rule_set=self._rule_set,
            stage=self._stage,
            plans=self._plans,
            explainer=self._explainer,
            columns=columns,
            positions=batch.of_payments(batch.positions),
            late=late,
            repeat=repeat,
            altered=altered,
            unmatched=batch.of_payments(updated.unmatched),
            score_points=score,
            scores=scores,
            shadow_points=shadow_points,
            finding=finding,
            findings=state.findings,
            fired_bits=fired,
            alerted=state.alerting[finding] & ~repeat if n else repeat,
            error=updated.error,
            rejected=batch.rejected,
            labels=len(batch.labels),
            label_results=label_results(updated, state.labels),
            since_ms=batch.of_payments(updated.since_ms),
        )

    def _scores(
        self, updated: Updated, state: PartitionState, part_points: Int32Array, status: Int8Array
    ) -> tuple[Scores, Mapping[str, Int32Array]]:
        """The scores that decide, and the points of all others by name. `part_points`: of a parts score, as the program
        has computed them; int32, shape (parts, payments). `status`: of the payments."""
        rules, columns = self._rule_set, updated.batch.columns
        base = self._base_scores(updated, state, part_points, status)
        shadow = {model.name: model.score_over(columns, base).points for model in rules.challengers}
        if not isinstance(rules.scorer, ModelScorer):
            return base, shadow
        if rules.base_score.inputs:
            shadow[SCORE] = base.points
        return rules.scorer.score_over(columns, base), shadow

    def _base_scores(
        self, updated: Updated, state: PartitionState, part_points: Int32Array, status: Int8Array
    ) -> Scores:
        """The scores by the rule set's own score; one that learns does so from the events of the batch."""
        batch = updated.batch
        if self._scoring is not None:
            value = batch.columns.frame.number[self._evidence_from : self._evidence_from + self._scoring.parts]
            counted = status == FRESH
            return self._scoring.score(state.learned, value, batch, counted, state.labels, updated.found)
        if isinstance(self._rule_set.base_score, PartsScorer):
            return PartScores(part_points)
        return self._rule_set.base_score.score(batch.columns)

    def _add_columns(self, columns: FrameColumns, lists: Lists) -> None:
        """Write the rows of text features and lists."""
        for name in self._text_features:
            codes = columns.frame.number[columns.index.numbers[name]]
            columns.add(name, digests_of_codes(codes, columns.digest_key))
        if len(self._lists):
            columns.frame.number[self._lists] = 0.0
        for name, declared in self._rule_set.lists.items():
            if lists.any_on(name):
                columns.add(f"lists.{name}", _listed_until_ms(name, declared, columns, lists))

    def _findings(
        self, state: PartitionState, fired: UInt64Array, score: Int32Array, repeat: BoolArray, first: FirstVerdicts
    ) -> Int64Array:
        """The finding of each payment, as an index into the state's findings: int64, shape (payments,).

        `fired`: bits of the rules; uint64, shape (words, payments). `score`: millionths; int32, shape (payments,).
        Those of repeats become those of their first verdicts. Few combinations of rules occur, so most are found in the
        state's table.
        """
        finding = np.empty(len(score), np.int64)
        if not len(score):
            return finding
        state.number_of(self._plain)
        table = state.finding_table(self._rule_set.digest, self._words)
        threshold, begin = self._rule_set.scorer.threshold_points, 0
        while begin != SETTLED:
            begin = self._settle(
                begin,
                repeat,
                first.score,
                first.verdict,
                threshold,
                POINTS_MAX,
                table.keys,
                table.numbers,
                fired,
                score,
                finding,
            )
            assert begin != REPEAT_OF_REPEAT, "repeats refer to repeats"
            assert begin != OUT_OF_RANGE, f"scores lie outside 0 to {POINTS_MAX}: {score}"
            if begin != SETTLED:
                above = bool(score[begin] >= threshold)
                table.add(fired[:, begin], above, state.number_of(self._found(fired[:, begin], above)))
        return finding

    def _found(self, fired: UInt64Array, above: bool) -> Finding:
        """The finding of one payment. `fired`: uint64, shape (words,). `above`: its score reaches the threshold."""
        bits = sum(int(word) << WORD_BITS * k for k, word in enumerate(fired))
        rules = [rule for number, rule in enumerate(self._rule_set.rules) if bits >> number & 1]
        live = [rule for rule in rules if rule.status == "live"]
        outcome: Outcome = "review" if live or above else "allow"
        if any(rule.outcome == "block" for rule in live):
            outcome = "block"
        shadow = tuple(rule.name for rule in rules if rule.status == "shadow")
        return Finding(self._rule_set.digest, outcome, tuple(rule.name for rule in live), shadow)

    def _record_first_verdicts(
        self, updated: Updated, state: PartitionState, status: Int8Array, score: Int32Array, finding: Int64Array
    ) -> None:
        """Keep the verdicts of the fresh payments, in order, to answer their repeats: in the ledger or in the slots.

        `status`, `score` and `finding` have shape (payments,).
        """
        if state.ledger is not None:
            fresh = status == FRESH
            state.ledger.judged(score[fresh], finding[fresh].astype(np.int32))
            return
        batch, arena = updated.batch, state.entities[0].arena
        row = batch.of_payments(updated.row)
        self._remember(arena.rows, arena.slots, arena.tops, status, row, batch.columns.event, score, finding)


def _listed_until_ms(name: str, declared: ValueList, columns: FrameColumns, lists: Lists) -> Int64Array:
    """Until when each payment's value is on a list, as `Lists.until_ms`: int64, shape (n,)."""
    if declared.holds_networks:
        return lists.until_ms_of_networks(name, columns.distinct_texts(declared.field), columns.occurred_at_ms)
    return lists.until_ms(name, columns.texts(declared.field), columns.occurred_at_ms)
