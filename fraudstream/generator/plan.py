"""What to generate."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

PAYMENTS_A_DAY = 1.5  # of an account, on average: the natural pace


class GeneratorPlan(msgspec.Struct, frozen=True):
    """The same plan gives the same payments, byte for byte, however much of the stream is read.

    `start_ms`: event time of the stream's beginning. `history_ms`: that much past comes first, at the natural pace.
    `rate`: payments a second of event time from `start_ms` on; without it they go on at the natural pace, which has
    its hours. `fraud_share`: share of all payments that belong to a fraud. `run` is part of every event_id, in place of
    the seed: runs into one log differ by it.
    """

    start_ms: Annotated[int, Meta(ge=10 * 365 * 86_400_000)]
    seed: Annotated[int, Meta(ge=0)] = 1
    accounts: Annotated[int, Meta(ge=100, le=20_000_000)] = 10_000
    rate: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    history_ms: Annotated[int, Meta(ge=0)] = 0
    fraud_share: Annotated[float, Meta(ge=0, le=0.5)] = 0.005
    run: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$")] | None = None

    @property
    def natural_rate(self) -> float:
        """Payments a second of event time that so many accounts make."""
        return self.accounts * PAYMENTS_A_DAY / 86_400
