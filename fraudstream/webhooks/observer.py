"""What the processes of webhooks report, for metrics and tests. Every method must return at once."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Receives the events of all endpoints. `endpoint`: its name."""

    def on_delivered(self, endpoint: str, *, kind: str, seconds: float) -> None:
        """An event was delivered; its last attempt took so long."""

    def on_failed(self, endpoint: str, *, seconds: float) -> None:
        """An attempt failed."""

    def on_undelivered(self, endpoint: str) -> None:
        """An event was given up, and is a dead letter."""

    def on_pending(self, endpoint: str, *, events: int, oldest_ms: int) -> None:
        """Events that are being delivered; since when the record of the oldest is there, in ms."""

    def on_lag(self, endpoint: str, *, records: int) -> None:
        """Records of the topics that are not read yet."""

    def on_gone(self, endpoint: str) -> None:
        """The endpoint wants no more webhooks: it gets none until the next start."""

    def on_brokers(self, endpoint: str, *, answer: bool) -> None:
        """Whether the brokers answer."""
