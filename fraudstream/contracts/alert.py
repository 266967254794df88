"""An alert: a verdict worth a person's time, on the `alerts` topic, keyed by `account_id`, with its own explanation."""

from __future__ import annotations

import msgspec

from fraudstream.contracts.fields import Identifier, Outcome, Severity
from fraudstream.contracts.payment import Payment


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One comparison of a rule that fired: `left operator right`, as written, with the values that were found.

    `value` and `threshold` are plain text (decimal amounts with their currency, durations such as '2h', numbers).
    `margin` says how far the value lies beyond the threshold as a share of the threshold; absent where that means
    nothing (text, or a threshold of zero).
    """

    left: str
    operator: str
    right: str
    value: str
    threshold: str
    margin: float | None = None


class RuleHit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that fired: its name (`typology/name`), its permanent id, and its message with the values filled in.

    `shadow`: the rule is on trial; it is shown here but had no part in the outcome.
    """

    rule: str
    rule_id: str
    title: str
    severity: Severity
    message: str
    evidence: tuple[Evidence, ...]
    tags: tuple[str, ...] = ()
    shadow: bool = False


class ScorePart(msgspec.Struct, frozen=True, omit_defaults=True):
    """One addend of the score: `points` of at most `points_max`, from `value` against this account's `normal`."""

    part: str
    points: float
    points_max: float
    value: str | None = None
    normal: str | None = None


class FeatureValue(msgspec.Struct, frozen=True, omit_defaults=True):
    """A feature used by the verdict. `window_error`: the worst error of its window, if it was not answered exactly.

    `warming`: how much of its window the memory has seen ('5 of 30 days'), if not all: the log's beginning was gone.
    """

    feature: str
    value: str
    window_error: str | None = None
    warming: str | None = None


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payment's verdict with its reasons: the rules that fired, the addends of the score, the features behind them.

    `alert_id` is a digest of event, stage and rule set: an alert that comes twice has the same id. `verdict_digest` is
    one of the verdict itself: the same id always brings the same digest. `rule_set`: digest of the rules that judged.
    """

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
