"""A control: what a person changed in how payments are judged, as a record with the header `type: control`.

The commands write it to the topic `controls`, where the newest record of each key stays, and to every partition of the
log: there it takes effect at its own offset, so that the log alone says which rules and which entries judged a payment.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fraudstream.contracts.fields import Identifier, Text

RuleSetDigest = Annotated[str, Meta(pattern="^[0-9a-f]{16}$", description="Digest of a rule set.")]
ListName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$", description="A list that rules/lists.yaml declares.")]
TimeMs = Annotated[int, Meta(ge=0, lt=253_402_300_800_000, description="Milliseconds since the epoch, UTC.")]

RULE_SWITCH_KEY = b"rule-switch"


class RuleSwitch(msgspec.Struct, frozen=True, omit_defaults=True, tag="rule_switch", tag_field="control"):
    """From this record on the rule set `rule_set` judges; its files stand on `controls`. `by`: who did it.

    `state_version`: whose memory judges from here on, where the rules need another; workers of those before it stop.
    """

    rule_set: RuleSetDigest
    by: Identifier
    issued_at_ms: TimeMs
    note: Text | None = None
    state_version: Annotated[int, Meta(ge=1)] | None = None
    schema_version: int = 1

    @property
    def key(self) -> bytes:
        return RULE_SWITCH_KEY


class ListEntry(msgspec.Struct, frozen=True, omit_defaults=True, tag="list_entry", tag_field="control"):
    """From this record on `value` is on the list, or `removed` from it.

    It counts for payments that occurred before `expires_at_ms`; without it, for all. `by`: who did it.
    """

    list: ListName
    value: Identifier
    by: Identifier
    issued_at_ms: TimeMs
    expires_at_ms: TimeMs | None = None
    removed: bool = False
    note: Text | None = None
    schema_version: int = 1

    @property
    def key(self) -> bytes:
        return list_entry_key(self.list, self.value)


def list_entry_key(name: str, value: str) -> bytes:
    """Under which the newest entry of a value of a list stands on `controls`."""
    return f"list/{name}/{value}".encode()


class StoredRuleSet(msgspec.Struct, frozen=True, omit_defaults=True, tag="rule_set", tag_field="control"):
    """The files of a rule set, {path below its directory: text}; it stands on `controls` alone."""

    rule_set: RuleSetDigest
    files: dict[str, str]
    schema_version: int = 1

    @property
    def key(self) -> bytes:
        return f"rule-set/{self.rule_set}".encode()


Control = RuleSwitch | ListEntry  # what may stand in the log
Stored = RuleSwitch | ListEntry | StoredRuleSet  # what may stand on `controls`
