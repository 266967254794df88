"""A decision: what the payment system hears about one payment, on the `decisions` topic, keyed by `account_id`."""

from __future__ import annotations

import msgspec

from fraudstream.contracts.fields import Identifier, Outcome


class Decision(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The outcome for one payment and the names of what led to it; the whole explanation is in its alert, if any.

    `score` is in [0, 1] with four decimals. `rules` names the live rules that fired, `shadow_rules` those on trial.
    `rule_set`: digest of the rules that judged. `repeat`: this `event_id` was decided before and this is that first
    verdict again. `late`: the payment came after newer ones had pushed its time out of the account's memory; it was
    judged, but not remembered. `altered`: this repeat is not what was decided: its amount, currency or time, or a field
    that features of the account look at, is another.
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
    schema_version: int = 1
