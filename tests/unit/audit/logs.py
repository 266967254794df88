"""Audit logs for tests: events, chains of them, and a log in memory."""

from __future__ import annotations

from collections.abc import Sequence

from fraudstream.audit.chain import Chain, heads_of
from fraudstream.contracts.audit_record import AuditAction, AuditEvent, ChainHead


def event(number: int = 0, action: AuditAction = "view", **fields: str | None) -> AuditEvent:
    return AuditEvent(1_772_625_600_000 + number, action, "done", "192.0.2.7", **({"actor": "ann"} | fields))


def chain_of(name: str, count: int, *heads: ChainHead) -> list[bytes]:
    """A whole chain of `count` records."""
    chain = Chain(name, heads)
    return [chain.link(event(number)) for number in range(count)]


class MemorySink:
    """An `AuditSink` in memory. `fails`: so many of the next writes fail; `reaches`: they reach the log though."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.fails = 0
        self.reaches = False

    async def heads(self) -> Sequence[ChainHead]:
        return heads_of(self.values)

    async def write(self, values: Sequence[bytes]) -> None:
        if self.fails:
            self.fails -= 1
            if self.reaches:
                self.values += values
            raise OSError("no broker answers")
        self.values += values
