"""All that the engine can say about one payment: what its decision and alert say, and what they leave out.

For whoever runs a log again to see why a payment was alerted, or why it was not.
"""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np

from fraudstream.contracts.alert import Alert, FeatureValue, ScorePart
from fraudstream.contracts.decision import Decision
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arena import NEVER
from fraudstream.engine.columns import Excerpt
from fraudstream.engine.explanation import Explanation
from fraudstream.engine.near_miss import RuleTrial, rule_trials
from fraudstream.engine.verdict import Verdicts


class Trial(msgspec.Struct, frozen=True):
    """`rules`: of the rule set, in its order. `score_parts`: all, also those without points. `features`: all of the
    catalogue; `read`: those that a rule which fired or nearly did, or a part with points, looks at. `alert`: as it
    would be sent; None where the outcome is no alert."""

    payment: Payment
    decision: Decision
    alert: Alert | None
    score_threshold: float
    rules: tuple[RuleTrial, ...]
    score_parts: tuple[ScorePart, ...]
    features: tuple[FeatureValue, ...]
    read: tuple[str, ...]


def trial_of(verdicts: Verdicts) -> Trial:
    """Of a batch of one payment, which is no repeat (a repeat has the verdict of its first time)."""
    assert verdicts.n == 1, f"{verdicts.n} payments"
    assert not verdicts.repeat[0], f"{verdicts.payments[0].event_id} is a repeat"
    columns, errors = Excerpt(verdicts.columns, np.zeros(1, np.int64)), verdicts.errors
    explanation = Explanation(verdicts.rule_set, verdicts.plans, columns, verdicts.fired, verdicts.since_ms)
    payment = verdicts.payments[0]
    [parts] = explanation.score_parts([payment], verdicts.part_points, silent=True)
    rules = rule_trials(verdicts.rule_set, columns, payment, verdicts.fired[0])
    names = {
        name
        for rule, trial in zip(verdicts.rule_set.rules, rules, strict=True)
        if trial.closeness != "other"
        for name in rule.names
    }
    for part, scored in zip(verdicts.rule_set.score.parts, parts, strict=True):
        names |= part.names if scored.points else set()
    features = explanation.all_features(0, payment, errors)
    return Trial(
        payment=payment,
        decision=verdicts.decisions()[0],
        alert=next(iter(verdicts.alerts()), None),
        score_threshold=verdicts.rule_set.score.threshold,
        rules=tuple(rules),
        score_parts=tuple(parts),
        features=tuple(features),
        read=tuple(value.feature for value in features if value.feature in names),
    )


def alert_seen_whole(verdicts: Verdicts) -> Alert | None:
    """The alert of the one payment as a memory would give it that has seen its log from the beginning."""
    return next(iter(dataclasses.replace(verdicts, since_ms=np.full(1, NEVER, np.int64)).alerts()), None)
