"""The full explanation of one payment: the content of its decision and alert, and everything that they leave out.

`fraudstream explain` runs a log again and shows it, whether or not the payment was alerted.
"""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np

from fraudstream.contracts.alert import Alert, FeatureValue, ScorePart
from fraudstream.contracts.decision import Decision
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.arena import NEVER
from fraudstream.engine.near_miss import RuleTrial, rule_trials
from fraudstream.engine.scorer import threshold
from fraudstream.engine.verdict import Verdicts


class Trial(msgspec.Struct, frozen=True):
    """The explanation of one payment.

    `rules`: all of the rule set, in its order. `score_parts`: all, those without points too. `features`: all of the
    catalogue. `read`: the features read by a rule that fired or nearly fired, or by a part with points. `alert`: as it
    would be sent; None if the payment is not alerted.
    """

    payment: Payment
    decision: Decision
    alert: Alert | None
    score_threshold: float
    rules: tuple[RuleTrial, ...]
    score_parts: tuple[ScorePart, ...]
    features: tuple[FeatureValue, ...]
    read: tuple[str, ...]


def trial_of(verdicts: Verdicts) -> Trial:
    """The explanation of a batch of one payment. It must not be a repeat, which is answered with its first verdict."""
    assert verdicts.n == 1, f"{verdicts.n} payments"
    assert not verdicts.repeat[0], f"{verdicts.payments[0].event_id} is a repeat"
    row, first = verdicts.row(0), np.zeros(1, np.int64)
    contributions, rarities = verdicts.contributions(first)[:, 0].tolist(), verdicts.scores.rarities(first)[0]
    parts = verdicts.explainer.score_parts(row, contributions, rarities, include_zero=True)
    rules = rule_trials(verdicts.rule_set, row, verdicts.fired[0])
    names = {
        name
        for rule, trial in zip(verdicts.rule_set.rules, rules, strict=True)
        if trial.closeness != "other"
        for name in rule.names
    }
    inputs = verdicts.rule_set.scorer.inputs
    names |= {name for part in parts if part.points for name in inputs[part.part]}
    features = verdicts.explainer.all_features(row, verdicts.error, int(verdicts.since_ms[0]))
    return Trial(
        payment=row.payment,
        decision=verdicts.decisions()[0],
        alert=next(iter(decoded_alerts(verdicts)), None),
        score_threshold=threshold(verdicts.rule_set.scorer),
        rules=tuple(rules),
        score_parts=tuple(parts),
        features=features,
        read=tuple(value.feature for value in features if value.feature in names),
    )


def alert_seen_whole(verdicts: Verdicts) -> Alert | None:
    """The alert of the one payment without `warming`: as a state that covers its whole log would give it."""
    return next(iter(decoded_alerts(dataclasses.replace(verdicts, since_ms=np.full(1, NEVER, np.int64)))), None)
