"""Links events to a chain of records. Pure: the bytes that are hashed are the bytes on the topic."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from fraudstream.contracts.audit_record import AuditEvent, AuditRecord, ChainHead
from fraudstream.contracts.undecodable import UNDECODABLE

HEADS_WITHIN: Final = 1_000  # a new chain names the heads of the chains in so many records before it

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuditRecord).decode


def digest_of(value: bytes) -> str:
    """SHA-256 of the bytes of a record, hexadecimal."""
    return hashlib.sha256(value).hexdigest()


class Chain:
    """A chain of one writer. `chain`: its id. `heads`: what its first record names."""

    def __init__(self, chain: str, heads: Iterable[ChainHead]) -> None:
        self.id = chain
        self._heads: tuple[ChainHead, ...] = tuple(heads)
        self._sequence = 0
        self._previous: str | None = None

    def link(self, event: AuditEvent) -> bytes:
        """The next record of the chain, as bytes."""
        heads = self._heads if self._sequence == 0 else ()
        value = _encode(AuditRecord(self.id, self._sequence, event, self._previous, heads))
        self._sequence += 1
        self._previous = digest_of(value)
        return value


def heads_of(values: Iterable[bytes]) -> tuple[ChainHead, ...]:
    """The last record of each chain in `values`, which are in the order of the topic. Values that are no records are
    skipped."""
    heads: dict[str, ChainHead] = {}
    for value in values:
        try:
            record = _decode(value)
        except UNDECODABLE:
            continue
        heads[record.chain] = ChainHead(record.chain, record.sequence, digest_of(value))
    return tuple(heads.values())
