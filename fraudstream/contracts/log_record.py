"""What is needed of a Kafka record; aiokafka's `ConsumerRecord` satisfies both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class KeyedRecord(Protocol):
    """The content of a record."""

    @property
    def key(self) -> bytes | None:
        """The record key, as published."""

    @property
    def value(self) -> bytes | None:
        """The record value, as published; None for a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Name and value of each header, in order; see `contracts.headers`."""


class LogRecord(KeyedRecord, Protocol):
    """A record with its place in the log."""

    @property
    def offset(self) -> int:
        """Position in its partition."""

    @property
    def timestamp(self) -> int:
        """Kafka's record timestamp, ms since the epoch, UTC."""
