"""Which events of the audit log somebody asks for."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from fraudstream.contracts.audit_record import AuditEvent, AuditRecord
from fraudstream.contracts.undecodable import UNDECODABLE

_decode = msgspec.json.Decoder(AuditRecord).decode


class AuditSelection(NamedTuple):
    """Filters; one that is None or empty matches all. `object`: as in the event, or without its kind: `case:b42b…` or
    `b42b…`. `pseudonyms`: what else the object may be called, without its kind. `since_ms`: not before, ms since the
    epoch, UTC."""

    actor: str | None = None
    object: str | None = None
    action: str | None = None
    outcome: str | None = None
    since_ms: int | None = None
    pseudonyms: frozenset[str] = frozenset()

    def has(self, event: AuditEvent) -> bool:
        """Whether the event matches every filter."""
        return (
            (not self.actor or event.actor == self.actor)
            and (not self.object or self._is_about(event.object or ""))
            and (not self.action or event.action == self.action)
            and (not self.outcome or event.outcome == self.outcome)
            and (self.since_ms is None or event.at_ms >= self.since_ms)
        )

    def _is_about(self, name: str) -> bool:
        bare = name.partition(":")[2]
        return name == self.object or bare == self.object or bare in self.pseudonyms

    def has_value(self, value: bytes) -> bool:
        """Whether the bytes are those of a record whose event matches."""
        record = record_of(value)
        return record is not None and self.has(record.event)


def record_of(value: bytes) -> AuditRecord | None:
    """The record in the bytes; None if they are none that this version can read."""
    try:
        return _decode(value)
    except UNDECODABLE:
        return None
