"""What the engine found out about a batch of payments, and how it is told: a decision for each, an alert where it is
worth a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec
import numpy as np

from fraudstream.contracts.alert import Alert, FeatureValue, RuleHit, ScorePart
from fraudstream.contracts.decision import Decision
from fraudstream.contracts.fields import Severity
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import BoolArray, Float64Array, Int8Array, Int32Array, Int64Array
from fraudstream.engine.columns import Columns, Rejection
from fraudstream.engine.duration import duration_text
from fraudstream.engine.evidence import evidence_of, texts_of
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel import AT_LEAST, PANE
from fraudstream.engine.memory import Finding
from fraudstream.engine.plain_text import payment_text, plain
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.score import POINTS_MAX

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
SCORE_SEVERITY: Severity = "medium"  # of an alert that no rule but only the score raised


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts on the `n` payments of a batch that could be judged, in the order of the log; first axis: payments.

    `positions`: where each stood among the events; int64. `score_points`: ten-thousandths; int32. `finding`: number in
    `findings`; of a repeat it is the first verdict's. `fired`: (n, rules), False for a repeat. `features` by name:
    float64, NaN missing. `errors` by name: int8, how each was answered (`kernel.EXACT`, `PANE`, `AT_LEAST`).
    """

    rule_set: RuleSet
    stage: str
    plans: Sequence[EntityPlan]
    columns: Columns
    positions: Int64Array
    late: BoolArray
    repeat: BoolArray
    score_points: Int32Array
    part_points: Int32Array
    finding: Int64Array
    findings: Sequence[Finding]
    fired: BoolArray
    alerted: BoolArray
    features: dict[str, Float64Array]
    errors: dict[str, Int8Array]
    rejected: list[Rejection]
    labels: int
    labels_unmatched: int

    @property
    def n(self) -> int:
        return self.columns.n

    @property
    def payments(self) -> Sequence[Payment]:
        return self.columns.payments

    @property
    def occurred_at_ms(self) -> Int64Array:
        return self.columns.occurred_at_ms

    def decisions(self) -> list[Decision]:
        """One for each payment."""
        scores = (self.score_points / POINTS_MAX).tolist()
        times = self.occurred_at_ms.tolist()
        alike = self.n > 0 and not self.late.any() and not self.repeat.any() and (self.finding == self.finding[0]).all()
        if alike and (found := self.findings[int(self.finding[0])]).outcome == "allow":
            return [
                Decision(p.event_id, p.account_id, t, "allow", score, found.rule_set, (), found.shadow_rules)
                for p, t, score in zip(self.payments, times, scores, strict=True)
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
            )
            for payment, t, score, found, repeat, late in zip(
                self.payments,
                times,
                scores,
                [self.findings[number] for number in self.finding.tolist()],
                self.repeat.tolist(),
                self.late.tolist(),
                strict=True,
            )
        ]

    def alerts(self) -> list[Alert]:
        """One for each payment in `alerted`, with its explanation."""
        rows = np.flatnonzero(self.alerted).tolist()
        payments = [self.payments[row] for row in rows]
        hits = self._hits(rows, payments)
        parts = self._parts(rows, payments)
        features = self._features(rows, payments)
        alerts = []
        for k, (row, payment) in enumerate(zip(rows, payments, strict=True)):
            found = self.findings[int(self.finding[row])]
            live = [hit.severity for hit in hits[k] if not hit.shadow]
            alert = Alert(
                alert_id=alert_id(payment.event_id, self.stage, found.rule_set),
                verdict_digest="",
                event_id=payment.event_id,
                account_id=payment.account_id,
                occurred_at_ms=int(self.occurred_at_ms[row]),
                outcome=found.outcome,
                severity=max(live, key=SEVERITIES.index, default=SCORE_SEVERITY),
                score=int(self.score_points[row]) / POINTS_MAX,
                score_threshold=self.rule_set.score.threshold,
                rule_set=found.rule_set,
                rules=tuple(hits[k]),
                score_parts=tuple(parts[k]),
                features=tuple(features[k]),
                payment=payment,
                late=bool(self.late[row]),
            )
            digest = blake2b(msgspec.json.encode(alert), digest_size=8).hexdigest()
            alerts.append(msgspec.structs.replace(alert, verdict_digest=digest))
        return alerts

    def _hits(self, rows: list[int], payments: list[Payment]) -> list[list[RuleHit]]:
        hits: list[list[RuleHit]] = [[] for _ in rows]
        for number, rule in enumerate(self.rule_set.rules):
            at = [k for k, row in enumerate(rows) if self.fired[row, number]]
            if not at:
                continue
            where, whose = [rows[k] for k in at], [payments[k] for k in at]
            evidence = evidence_of(rule.when.comparisons, self.columns, where, whose)
            for k, row, payment, proof in zip(at, where, whose, evidence, strict=True):
                hits[k].append(
                    RuleHit(
                        rule=rule.name,
                        rule_id=rule.rule_id,
                        title=rule.title,
                        severity=rule.severity,
                        message=rule.message.filled(_Words(self.columns, row, payment)),
                        evidence=proof,
                        tags=rule.tags,
                        shadow=rule.status == "shadow",
                    )
                )
        return hits

    def _parts(self, rows: list[int], payments: list[Payment]) -> list[list[ScorePart]]:
        parts: list[list[ScorePart]] = [[] for _ in rows]
        for number, part in enumerate(self.rule_set.score.parts if rows else ()):
            values = texts_of(part.value, self.columns, rows, payments)
            normals = texts_of(part.normal, self.columns, rows, payments) if part.normal is not None else None
            for k, row in enumerate(rows):
                points = int(self.part_points[number, row]) / POINTS_MAX
                normal = None if normals is None else normals[k]
                parts[k].append(ScorePart(part.name, points, part.points_max / POINTS_MAX, values[k], normal))
        return parts

    def _features(self, rows: list[int], payments: list[Payment]) -> list[list[FeatureValue]]:
        """The features that the rules which fired, and the score, have read."""
        scored = self.rule_set.score.names
        types = self.rule_set.catalogue.symbols
        found: list[list[FeatureValue]] = []
        for row, payment in zip(rows, payments, strict=True):
            read = set(scored)
            for number in np.flatnonzero(self.fired[row]).tolist():
                read |= self.rule_set.rules[number].names
            found.append(
                [
                    FeatureValue(
                        name,
                        plain(float(self.features[name][row]), types[name], payment.currency),
                        self._window_error(name, row),
                    )
                    for name in sorted(read)
                    if name in self.features
                ]
            )
        return found

    def _window_error(self, name: str, row: int) -> str | None:
        errors = self.errors.get(name)
        if errors is None or errors[row] not in (PANE, AT_LEAST):
            return None
        entity = next(plan.entity for plan in self.plans if plan.entity.name == name.partition(".")[0])
        if errors[row] == PANE:
            return f"payments up to {duration_text(entity.pane_ms)} outside the window may count"
        return f"not exact: the window reaches back beyond the {entity.slots} payments held"


class _Words:
    """Fills a message: the value of a name for one payment, as text."""

    def __init__(self, columns: Columns, row: int, payment: Payment) -> None:
        self._columns, self._row, self._payment = columns, row, payment

    def __call__(self, name: str, type_: Type) -> str:
        if type_ is Type.TEXT:
            return payment_text(self._payment, name)
        return plain(float(self._columns.column(name)[self._row]), type_, self._payment.currency)


def alert_id(event_id: str, stage: str, rule_set: str) -> str:
    """32 hex digits that name the alert of a payment: the same however often it is sent."""
    return blake2b(f"{event_id}\0{stage}\0{rule_set}".encode(), digest_size=16).hexdigest()
