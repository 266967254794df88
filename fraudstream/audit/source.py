"""What reads an audit log, wherever it is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol


class StoredRecord(NamedTuple):
    """The bytes of a record, and its offset."""

    offset: int
    value: bytes


class AuditSource(Protocol):
    """Reads an audit log. Methods raise `UnreadableAuditError`."""

    def forward(self) -> AsyncIterator[StoredRecord]:
        """Every record that it has now, the oldest first."""

    async def newest(
        self, wanted: Callable[[bytes], bool], limit: int, before: int | None, look_at_max: int
    ) -> tuple[list[StoredRecord], int | None]:
        """The newest `limit` records before the offset `before` (None: the end) that are `wanted`, the newest first;
        and the offset to go on before, None if none is older. Looks at about `look_at_max` records at most."""


class UnreadableAuditError(Exception):
    """The log cannot be read now. The text says why."""
