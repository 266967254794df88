"""A decision: the answer to the payment system about one payment; topic `decisions`, keyed by `account_id`."""

from __future__ import annotations

import msgspec

from fraudstream.contracts.dead_letter import ReasonCode
from fraudstream.contracts.fields import Identifier, Outcome


class Decision(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The outcome for one payment and the names of the rules that fired; its alert, if any, holds the explanation.

    `score` is in [0, 1] with four decimals. `rules`: the live rules that fired; `shadow_rules`: the shadow rules that
    fired. `rule_set`: digest of the rule set evaluated. `repeat`: this `event_id` was decided before, and this is the
    first verdict again. `late`: the payment is older than everything the account's state still covers; it was
    evaluated but did not update the state. `altered`: a repeat whose content differs from the payment decided first in
    amount, currency, time or a field that the account's features read. `unmatched`: of a reversal or capture, the
    entities whose state does not hold the payment in `relates_to`, or holds it in another currency or already taken
    back; their features were not corrected. `shadow_scores`: by name, the scores that decide nothing: of challenger
    models, and of the rule set's own score where a model decides; none of a repeat.
    """

    event_id: Identifier
    account_id: Identifier
    occurred_at_ms: int
    outcome: Outcome
    score: float
    rule_set: str
    rules: tuple[str, ...] = ()
    shadow_rules: tuple[str, ...] = ()
    alert_id: str | None = None
    repeat: bool = False
    late: bool = False
    altered: bool = False
    unmatched: tuple[str, ...] = ()
    shadow_scores: dict[str, float] = {}
    schema_version: int = 1


class UnjudgedDecision(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag_field="outcome", tag="unjudged"):
    """The answer to a record of the payments topic that could not be judged, so that nobody waits for a decision on it.

    It is keyed by the record's key. `reason`, `sentence` and `path` are those of the record's dead letter.
    `event_id`, `account_id` and `occurred_at_ms` are there if they could be read from the record and are valid
    themselves.
    """

    reason: ReasonCode
    sentence: str
    event_id: Identifier | None = None
    account_id: Identifier | None = None
    occurred_at_ms: int | None = None
    schema_version: int = 1
    path: str | None = None
