"""What the telemetry of a stage reads of a batch; the structs of `stream.observer` fit, and document the fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

Milliseconds = npt.NDArray[np.float64]


class Batch(Protocol):
    """The counts of a batch; the structs of `stream.observer` fit, and document the fields."""

    @property
    def records(self) -> int:
        """Records, controls included."""

    @property
    def decisions(self) -> Mapping[str, int]:
        """Decisions published, by outcome."""

    @property
    def dead_letters(self) -> Mapping[str, int]:
        """Count by reason."""

    @property
    def dropped(self) -> int:
        """Records that the previous stage had sent before."""

    @property
    def seconds(self) -> float:
        """Duration of the batch."""

    @property
    def watermark_ms(self) -> int:
        """Event time that the state has reached, ms since the epoch."""

    @property
    def rows(self) -> int:
        """Rows of the state."""

    @property
    def size(self) -> int:
        """Bytes of the state."""


class ForwardedBatch(Batch, Protocol):
    """A batch of a stage that forwards to another one."""

    @property
    def forwarded(self) -> int:
        """Payments and labels sent to the next stage."""


class JudgedBatch(Batch, Protocol):
    """A batch of the stage that decides."""

    @property
    def payments(self) -> int:
        """Payments decided."""

    @property
    def labels(self) -> int:
        """Labels applied."""

    @property
    def labels_unmatched(self) -> Mapping[str, int]:
        """Labels without a payment, by cause."""

    @property
    def label_lag_ms(self) -> npt.NDArray[np.float64]:
        """Of the other labels, from `occurred_at` to `labelled_at`."""

    @property
    def repeats(self) -> int:
        """Repeated payments."""

    @property
    def altered(self) -> int:
        """Repeats with other content."""

    @property
    def late(self) -> int:
        """Payments too old for the state."""

    @property
    def unmatched(self) -> int:
        """Reversals and captures whose payment a state does not hold."""

    @property
    def without_rate(self) -> Mapping[str, int]:
        """Payments in currencies that have no rate, by currency, where amounts are converted."""

    @property
    def alerts(self) -> int:
        """Alerts sent."""

    @property
    def alert_rules(self) -> Mapping[tuple[str, str], int]:
        """How often each (rule, severity) is in the alerts."""

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """Scores of the payments, 0 to 1; float64, shape (payments,)."""

    @property
    def shadow_scores(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """By the name of each scorer that decides nothing, the same of payments that are no repeats."""

    @property
    def shadow_alerts(self) -> Mapping[tuple[str, str], int]:
        """How many payments reach its threshold, by its name and the live verdict, "alert" or "none"."""

    @property
    def shadow_rules(self) -> Mapping[str, int]:
        """How often each shadow rule fired."""

    @property
    def since_occurred_ms(self) -> Milliseconds:
        """From `occurred_at` to the decision; float64, shape (payments,)."""

    @property
    def since_arrival_ms(self) -> Milliseconds:
        """From the record's timestamp to the decision; float64, shape (payments,)."""

    @property
    def trace_ids(self) -> Mapping[int, str]:
        """Of the payments whose traces are recorded, by their index."""
