"""The engine's result for a batch of payments: a decision for each payment, and an alert for each that a person should
review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fraudstream.compiled.packed import Packed
from fraudstream.contracts.decision import Decision
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_id import alert_digest, alert_id, id_end
from fraudstream.engine.arrays import BoolArray, Float64Array, Int8Array, Int32Array, Int64Array, UInt64Array
from fraudstream.engine.columns import Rejection
from fraudstream.engine.explanation import Explainer
from fraudstream.engine.frame_columns import FrameColumns
from fraudstream.engine.frame_layout import ACCOUNT_ID, EVENT_ID
from fraudstream.engine.label_results import LabelResults
from fraudstream.engine.partition_state import Finding
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX, Scores


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on the `n` valid payments of a batch, in the order of the log. Arrays have shape (n,) unless noted.

    `plans`: of all entities, those of earlier stages too. `explainer`: of the rule set. `positions`: index of each
    payment among the events of the batch; int64. `late`, `repeat`: bool. `altered`: repeats whose content differs from
    the payment decided first; bool. `unmatched`: of a reversal or capture, the entities whose state does not hold the
    payment that it relates to, bit k for the k-th of `plans`; uint64.
    `score_points`: millionths, of a repeat those of its first verdict; int32. `scores`: what the scorer returned,
    for explanations. `shadow_points`: by the name of each score that decides nothing, its points; int32.
    `finding`: index into `findings`, of a repeat that of its first verdict; int64. `fired_bits`: bit
    k % 64 of word k // 64 for the k-th rule; uint64, shape (words, n), 0 for a repeat. `alerted`: bool, False for a
    repeat. `error`: how each feature was answered (`kernel_types.EXACT`, `PANE`, `AT_LEAST`), in the order of `plans`;
    int8, shape (features, n). `rejected`: events that could not be decided. `labels`: labels in the batch;
    `label_results`: how late they came, and why some found no payment. `since_ms`: as in `ForwardedFeatures`; int64.
    """

    rule_set: RuleSet
    stage: str
    plans: Sequence[EntityPlan]
    explainer: Explainer
    columns: FrameColumns
    positions: Int64Array
    late: BoolArray
    repeat: BoolArray
    altered: BoolArray
    unmatched: UInt64Array
    score_points: Int32Array
    scores: Scores
    shadow_points: Mapping[str, Int32Array]
    finding: Int64Array
    findings: Sequence[Finding]
    fired_bits: UInt64Array
    alerted: BoolArray
    error: Int8Array
    rejected: list[Rejection]
    labels: int
    label_results: LabelResults
    since_ms: Int64Array

    @property
    def n(self) -> int:
        """Number of payments."""
        return self.columns.n

    @property
    def payments(self) -> Sequence[Payment]:
        """The payments, in the order of the log."""
        return self.columns.payments

    @property
    def event_ids(self) -> Packed:
        """The event_id of each payment, in UTF-8."""
        return self.columns.packed(EVENT_ID)

    @property
    def account_ids(self) -> Packed:
        """The account_id of each payment, in UTF-8."""
        return self.columns.packed(ACCOUNT_ID)

    @cached_property
    def fired(self) -> BoolArray:
        """The rules that fired for each payment: bool, shape (n, rules), False for a repeat."""
        bits = np.ascontiguousarray(self.fired_bits.T).view(np.uint8).reshape(self.n, 8 * len(self.fired_bits))
        fired = np.unpackbits(bits, axis=1, count=len(self.rule_set.rules), bitorder="little")
        return fired.view(np.bool_)

    @cached_property
    def features(self) -> dict[str, Float64Array]:
        """The value of every feature, derived ones included, by name: float64, shape (n,), NaN missing."""
        names = [feature.name for plan in self.plans for feature in plan.features]
        names += [derived.name for derived in self.rule_set.catalogue.derived]
        numbers, index = self.columns.frame.number, self.columns.index.numbers
        return {name: numbers[index[name]] for name in names}

    @cached_property
    def errors(self) -> dict[str, Int8Array]:
        """By the name of a feature, how each of its values was answered: int8, shape (n,)."""
        names = [feature.name for plan in self.plans for feature in plan.features]
        return dict(zip(names, self.error, strict=True))

    @property
    def occurred_at_ms(self) -> Int64Array:
        """Event times, ms since the epoch, UTC; int64, shape (n,)."""
        return self.columns.occurred_at_ms

    @property
    def labels_unmatched(self) -> int:
        """How many labels name a payment that the state does not hold."""
        return sum(self.label_results.unmatched.values())

    def entities_in(self, bits: int) -> tuple[str, ...]:
        """Names of the entities whose bit is set in `unmatched`."""
        return tuple(plan.entity.name for k, plan in enumerate(self.plans) if bits >> k & 1) if bits else ()

    def contributions(self, rows: Int64Array) -> Int64Array:
        """What each part adds to the score for some payments, no repeats among them, as `scorer.Scores.contributions`:
        int64, shape (parts, len(rows)). The points of their sums are `score_points` exactly.
        """
        contributions = self.scores.contributions(rows)
        points = self.scores.points_of(contributions.sum(axis=0))
        assert (points == self.score_points[rows]).all(), f"parts give {points}, scores are {self.score_points[rows]}"
        return contributions

    def decisions(self, rows: Int64Array | None = None) -> list[Decision]:
        """One for each payment, in order. `rows`: for these payments alone; int64."""
        if rows is None:
            return self._decisions(self.payments, np.arange(self.n))
        return self._decisions([self.payments[row] for row in rows.tolist()], rows)

    def _decisions(self, payments: Sequence[Payment], rows: Int64Array) -> list[Decision]:
        scores, times = (self.score_points[rows] / POINTS_MAX).tolist(), self.occurred_at_ms[rows].tolist()
        alike = self.n > 0 and not self.late.any() and not self.repeat.any()
        alike = (
            alike and not self.unmatched.any() and not self.shadow_points and (self.finding == self.finding[0]).all()
        )
        if alike and (found := self.findings[int(self.finding[0])]).outcome == "allow":
            return [
                Decision(p.event_id, p.account_id, t, "allow", score, found.rule_set, (), found.shadow_rules)
                for p, t, score in zip(payments, times, scores, strict=True)
            ]
        return [
            Decision(
                payment.event_id,
                payment.account_id,
                t,
                found.outcome,
                score,
                found.rule_set,
                found.rules,
                found.shadow_rules,
                None if found.outcome == "allow" else alert_id(payment.event_id, self.stage, found.rule_set),
                repeat,
                late,
                altered,
                unmatched,
                {} if repeat else shadow,
            )
            for payment, t, score, found, repeat, late, altered, unmatched, shadow in zip(
                payments,
                times,
                scores,
                [self.findings[number] for number in self.finding[rows].tolist()],
                self.repeat[rows].tolist(),
                self.late[rows].tolist(),
                self.altered[rows].tolist(),
                map(self.entities_in, self.unmatched[rows].tolist()),
                self.shadow_scores(rows),
                strict=True,
            )
        ]

    def shadow_scores(self, rows: Int64Array) -> list[dict[str, float]]:
        """Of some payments, the scores that decide nothing, by name."""
        points = self.shadow_points.values()
        columns = [(of_score[rows] / POINTS_MAX).tolist() for of_score in points]
        if not columns:
            return [{}] * len(rows)
        return [dict(zip(self.shadow_points, scores, strict=True)) for scores in zip(*columns, strict=True)]

    @cached_property
    def alert_rows(self) -> Int64Array:
        """The payments in `alerted`: int64."""
        return np.flatnonzero(self.alerted)

    @cached_property
    def alert_digests(self) -> list[bytes]:
        """The id of the alert of each payment in `alerted`, in order, as bytes."""
        end = id_end(self.stage, self.rule_set.digest)  # they are no repeats, so this rule set has judged them
        return [alert_digest(event, end) for event in self.event_ids.rows(self.alert_rows).present()]

    @cached_property
    def rules_of_alerts(self) -> list[tuple[int, ...]]:
        """For each payment in `alerted`, in order, the numbers of the rules that fired, shadow rules included."""
        if not len(self.alert_rows):
            return []
        bits = self.fired_bits[:, self.alert_rows].T.tolist()
        return [self.explainer.rules_in(tuple(words)) for words in bits]

    def row(self, row: int) -> PaymentRow:
        """One payment, to be explained."""
        return PaymentRow(self.columns, row, self.payments[row])
