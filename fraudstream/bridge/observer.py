"""What a bridge reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Observer(Protocol):
    """The receiver of a bridge's reports; `telemetry.bridge.BridgeTelemetry` fits."""

    def on_assigned(self, partitions: int) -> None:
        """The bridge reads this many partitions now."""

    def on_step(
        self,
        partition: int,
        *,
        messages: int,
        payments: int,
        excluded: int,
        refused: Mapping[str, int],
        seconds: float,
    ) -> None:
        """Messages of a partition are done: their payments and dead letters are written. `excluded`: transactions that
        the mapping leaves out; `refused`: messages with a dead letter, by reason."""

    def on_lag(self, partition: int, *, lag: int) -> None:
        """How many messages of a partition are not done yet."""

    def on_missing(self, partition: int, *, messages: int) -> None:
        """Messages were deleted from the topic before they were read."""


class Unobserved:
    """Reports nothing."""

    def on_assigned(self, partitions: int) -> None:
        """Do nothing."""

    def on_step(
        self,
        partition: int,
        *,
        messages: int,
        payments: int,
        excluded: int,
        refused: Mapping[str, int],
        seconds: float,
    ) -> None:
        """Do nothing."""

    def on_lag(self, partition: int, *, lag: int) -> None:
        """Do nothing."""

    def on_missing(self, partition: int, *, messages: int) -> None:
        """Do nothing."""
