"""What each rule finds, live and shadow rules told apart."""

from __future__ import annotations

from typing import NamedTuple

from fraudstream.evaluation.payments import EvaluatedPayments


class RuleQuality(NamedTuple):
    """One rule. `fired`: payments, labelled or not; `fired_share`: of all payments. Precision and recall are over
    labelled payments, None if the denominator is 0.

    `unique_frauds`: frauds on which no other live rule fired. `not_alerted`: payments on which it fired and that were
    not alerted, and `not_alerted_frauds` of them: for a shadow rule, what it would add.
    """

    rule: str
    status: str
    fired: int
    fired_share: float
    on_fraud: int
    on_genuine: int
    precision: float | None
    recall: float | None
    unique_frauds: int
    not_alerted: int
    not_alerted_frauds: int


def rule_quality(payments: EvaluatedPayments) -> list[RuleQuality]:
    """Of each rule: live before shadow, the most frequent first."""
    fraud, genuine = payments.fraud, payments.label == 0
    live = [number for number, rule in enumerate(payments.rules) if rule.status == "live"]
    live_fired = payments.fired[:, live].sum(axis=1)
    found = []
    for number, rule in enumerate(payments.rules):
        fired = payments.fired[:, number]
        others = live_fired - fired if rule.status == "live" else live_fired
        on_fraud, on_genuine = int((fired & fraud).sum()), int((fired & genuine).sum())
        missed = fired & ~payments.alerted
        found.append(
            RuleQuality(
                rule=rule.name,
                status=rule.status,
                fired=int(fired.sum()),
                fired_share=int(fired.sum()) / payments.n if payments.n else 0.0,
                on_fraud=on_fraud,
                on_genuine=on_genuine,
                precision=on_fraud / (on_fraud + on_genuine) if on_fraud + on_genuine else None,
                recall=on_fraud / int(fraud.sum()) if fraud.any() else None,
                unique_frauds=int((fired & fraud & (others == 0)).sum()),
                not_alerted=int(missed.sum()),
                not_alerted_frauds=int((missed & fraud).sum()),
            )
        )
    return sorted(found, key=lambda each: (each.status != "live", -each.fired, each.rule))
