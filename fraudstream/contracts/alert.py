"""An alert: a verdict worth a person's time, on the `alerts` topic, keyed by `account_id`. It carries its own explanation."""

from __future__ import annotations

import msgspec

from fraudstream.contracts.fields import Identifier, Outcome, Severity
from fraudstream.contracts.payment import Payment


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One comparison of a rule that fired: `left operator right`, as written, with the values that were found.

    `value` and `threshold` are plain text (decimal amounts with their currency, durations such as '2h', numbers). `margin` says how far the
    value lies beyond the threshold as a share of the threshold; absent where that means nothing (text, or a threshold of zero).
    """

    left: str
    operator: str
    right: str
    value: str
    threshold: str
    margin: float | None = None


class RuleHit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that fired. `rule` is its name (`typology/name`), `rule_id` its permanent id; `message` is its template filled in."""

    rule: str
    rule_id: str
    title: str
    severity: Severity
    message: str
    evidence: tuple[Evidence, ...]
    tags: tuple[str, ...] = ()
    shadow: bool = False


class ScorePart(msgspec.Struct, frozen=True, omit_defaults=True):
    """One addend of the score: `points` of at most `points_max`, from `value` against what is `normal` for this account."""

    part: str
    points: float
    points_max: float
    value: str | None = None
    normal: str | None = None


class FeatureValue(msgspec.Struct, frozen=True, omit_defaults=True):
    """A feature used by the verdict. `window_error` states the worst error of its window when it was not answered exactly."""

    feature: str
    value: str
    window_error: str | None = None


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """`alert_id` is a digest of event, stage and rule set; `verdict_digest` one of the verdict: the same id must always bring the same digest."""

    alert_id: str
    verdict_digest: str
    event_id: Identifier
    account_id: Identifier
    occurred_at_ms: int
    outcome: Outcome
    severity: Severity
    score: float
    score_threshold: float
    rule_set: str
    rules: tuple[RuleHit, ...]
    score_parts: tuple[ScorePart, ...]
    features: tuple[FeatureValue, ...]
    payment: Payment
    late: bool = False
    schema_version: int = 1
