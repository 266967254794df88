"""An alert: a verdict that a person should review, with its explanation; topic `alerts`, keyed by `account_id`."""

from __future__ import annotations

from typing import Literal

import msgspec

from fraudstream.contracts.fields import Identifier, Outcome, Severity
from fraudstream.contracts.payment import Payment


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One comparison of a rule that fired: `left operator right` as written in the rule, with the evaluated values.

    `value` and `threshold` are plain text (decimal amounts with their currency, durations such as '2h', numbers).
    `margin`: distance of the value from the threshold, as a share of the threshold; absent for text and for a
    threshold of zero.
    """

    left: str
    operator: str
    right: str
    value: str
    threshold: str
    margin: float | None = None


class RuleHit(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A rule that fired: its name (`typology/name`), its permanent id, and its message with the values filled in.

    `shadow`: the rule has status `shadow`; it is reported but did not affect the outcome.
    """

    rule: str
    rule_id: str
    title: str
    severity: Severity
    message: str
    evidence: tuple[Evidence, ...]
    tags: tuple[str, ...] = ()
    shadow: bool = False


class ScorePart(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One term of the score: `points` of at most `points_max`, which add up to the score.

    `value`: what was observed. `normal`: the usual value of this account. Both are plain text. `unit`: "bits" if the
    points are bits, which add up to the log odds log2(score / (1 - score)) and have no `points_max`. `one_in`: how rare
    the value is: at most one in so many earlier payments had one as high or higher.
    """

    part: str
    points: float
    points_max: float
    value: str | None = None
    normal: str | None = None
    unit: Literal["bits"] | None = None
    one_in: int | None = None


class FeatureValue(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A feature used by the verdict.

    `window_error`: error bound of its window, absent if the value is exact. `warming`: how much of its window the state
    covers ('5 of 30 days'), absent if all of it; a state is incomplete when the start of the log had been deleted.
    """

    feature: str
    value: str
    window_error: str | None = None
    warming: str | None = None


class Alert(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The verdict on a payment with its reasons: rules that fired, terms of the score, features that they used.

    `alert_id`: digest of event, stage and rule set, so a duplicate of an alert has the same id. `verdict_digest`:
    digest of the verdict; alerts with the same id have the same digest. `rule_set`: digest of the rule set evaluated.
    `late`, `unmatched`, `shadow_scores`: see `Decision`.
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
    unmatched: tuple[str, ...] = ()
    shadow_scores: dict[str, float] = {}
    schema_version: int = 1
