"""The id of a payment's alert: a function of the payment, the stage that decided it, and the rule set."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

DIGEST_BYTES: Final = 16  # an id has twice as many hex digits


def alert_id(event_id: str, stage: str, rule_set: str) -> str:
    """32 hex digits that identify the alert of a payment: the same each time it is sent."""
    return alert_digest(event_id.encode(), id_end(stage, rule_set)).hex()


def id_end(stage: str, rule_set: str) -> bytes:
    """What is hashed after the `event_id`."""
    return f"\0{stage}\0{rule_set}".encode()


def alert_digest(event_id: bytes, end: bytes) -> bytes:
    """The id as bytes. `event_id`: in UTF-8; `end`: from `id_end`."""
    return blake2b(event_id + end, digest_size=DIGEST_BYTES).digest()
