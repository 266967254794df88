"""An audit record: who did what in the console, when, from where and on what; topic `audit`, in one partition.

The records of one writer process are a chain. Each names the SHA-256 of the bytes of its predecessor, so that a record
cannot be changed, removed or moved unnoticed (`fraudstream.audit.verification`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fraudstream.contracts.fields import Sha256, Text

AuditAction = Literal[
    "start",  # of a chain
    "stop",  # of a chain: its writer stopped in order
    "log_in",
    "log_out",
    "change_password",
    "end_sessions",
    "change_user",
    "change_token",
    "view",
    "search",
    "act",  # on a case or a rule: `detail` names the action
    "unmask",
    "erase",  # an account's data: `fraudstream erase`
    "export",
    "download",  # a file of a case
    "refuse",  # a request that its visitor may not make
]
AuditOutcome = Literal["done", "asked", "refused", "failed", "locked"]


class AuditEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened. `at_ms`: ms since the epoch, UTC. `actor`: name of the user; None if nobody was logged in.

    `address`: of the browser or program, or "command line". `object`: what it was done to, as `case:<id>`,
    `account:<pseudonym>`, `rule:<name>`, `user:<name>`, `token:<id>` or `path:<path>`. `outcome`: "asked" is written
    before an action takes place. `detail`: name of an action, reason, text of a search. `request_id`: joins the events
    of one request. `token`: id of the API token that was used.
    """

    at_ms: int
    action: AuditAction
    outcome: AuditOutcome
    address: Text
    actor: Text | None = None
    object: Text | None = None
    detail: Text | None = None
    request_id: Text | None = None
    token: Text | None = None


class ChainHead(msgspec.Struct, frozen=True):
    """The last record of a chain that a writer has seen: its `sequence`, and the SHA-256 of its bytes."""

    chain: str
    sequence: int
    digest: Sha256


class AuditRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A link of a chain. `chain`: its id, drawn at each start of a writer. `sequence`: from 0, without gaps.

    `previous`: SHA-256 of the bytes of the record with the sequence before; None in the first record. `heads`: in the
    first record, the heads of the chains near the end of the topic, so that their ends cannot be cut off.
    """

    chain: str
    sequence: int
    event: AuditEvent
    previous: Sha256 | None = None
    heads: tuple[ChainHead, ...] = ()
    schema_version: int = 1
