"""A control: a change to how payments are decided, made by a person, as a record with the header `type: control`.

Commands write it to the topic `controls`, which keeps the newest record of each key, and to every partition of the log.
There it takes effect at its own offset, so the log alone says which rules and which list entries applied to a payment.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated

import msgspec
from msgspec import Meta

from fraudstream.contracts.fields import Identifier, Text

RuleSetDigest = Annotated[str, Meta(pattern="^[0-9a-f]{16}$", description="Digest of a rule set.")]
ArtefactDigest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="BLAKE2b-256 of an artefact's bytes.")]
ListName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$", description="A list that rules/lists.yaml declares.")]
TimeMs = Annotated[int, Meta(ge=0, lt=253_402_300_800_000, description="Milliseconds since the epoch, UTC.")]

RULE_SWITCH_KEY = b"rule-switch"
ARTEFACT_KEY_PREFIX = b"artefact/"
IDENTIFIER_SECRET_KEY_PREFIX = b"identifier-secret/"


class RuleSwitch(msgspec.Struct, frozen=True, omit_defaults=True, tag="rule_switch", tag_field="control"):
    """From this record on the rule set `rule_set` is in force; its files are on `controls`. `by`: who activated it.

    `state_version`: the state version that decides from here on, if the rules need another; workers of earlier versions
    stop.
    """

    rule_set: RuleSetDigest
    by: Identifier
    issued_at_ms: TimeMs
    note: Text | None = None
    state_version: Annotated[int, Meta(ge=1)] | None = None
    schema_version: int = 1

    @property
    def key(self) -> bytes:
        """The record key on `controls`."""
        return RULE_SWITCH_KEY


class ListEntry(msgspec.Struct, frozen=True, omit_defaults=True, tag="list_entry", tag_field="control"):
    """From this record on `value` is on the list, or `removed` from it. `by`: who changed the list.

    It applies to payments that occurred before `expires_at_ms`; without it, to all.
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
        """The record key on `controls`."""
        return list_entry_key(self.list, self.value)


def list_entry_key(name: str, value: str) -> bytes:
    """The record key of a list entry on `controls`, which keeps the newest entry of each list and value."""
    return f"list/{name}/{value}".encode()


class StoredRuleSet(msgspec.Struct, frozen=True, omit_defaults=True, tag="rule_set", tag_field="control"):
    """The files of a rule set, {path below its directory: text}. Written to `controls` only."""

    rule_set: RuleSetDigest
    files: dict[str, str]
    schema_version: int = 1

    @property
    def key(self) -> bytes:
        """The record key on `controls`."""
        return f"rule-set/{self.rule_set}".encode()


class StoredArtefact(msgspec.Struct, frozen=True, omit_defaults=True, tag="artefact", tag_field="control"):
    """A part of a binary artefact, such as a model, that rule sets name by its digest. Written to `controls` only.

    The artefact's bytes are the `content` (base64 in JSON) of the records with `index` 0 to `count` - 1, in order.
    """

    artefact: ArtefactDigest
    index: Annotated[int, Meta(ge=0)]
    count: Annotated[int, Meta(ge=1)]
    content: bytes
    schema_version: int = 1

    @property
    def key(self) -> bytes:
        """The record key on `controls`."""
        return artefact_key_prefix(self.artefact) + b"%d" % self.index


class StoredIdentifierSecret(
    msgspec.Struct, frozen=True, omit_defaults=True, tag="identifier_secret", tag_field="control"
):
    """The secret under which a deployment keeps identifiers in its state. Written to `controls` only.

    The first record of this kind counts; later ones have no effect.
    """

    secret: Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="128 bits.")]
    schema_version: int = 1

    @property
    def key(self) -> bytes:
        """The record key on `controls`: each secret has its own, so that compaction keeps the first."""
        digest = blake2b(self.secret.encode(), digest_size=8).hexdigest()
        return IDENTIFIER_SECRET_KEY_PREFIX + digest.encode()


def artefact_key_prefix(artefact: str) -> bytes:
    """The beginning of the record keys of an artefact's parts on `controls`; the index follows."""
    return ARTEFACT_KEY_PREFIX + f"{artefact}/".encode()


Control = RuleSwitch | ListEntry  # records of the log
Stored = RuleSwitch | ListEntry | StoredRuleSet | StoredArtefact | StoredIdentifierSecret  # records of `controls`
