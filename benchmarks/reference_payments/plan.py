"""The parameters of a generated payment stream."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

PAYMENTS_A_DAY = 1.5  # per account, on average: the natural rate


class GeneratorPlan(msgspec.Struct, frozen=True):
    """Parameters of a stream. The same plan gives the same payments, byte for byte, however much of it is read.

    `start_ms`: event time at which the live part starts. `history_ms`: length of the history before it, generated at
    the natural rate. `rate`: payments per second of event time from `start_ms` on; None: the natural rate, which
    varies with the hour of the day. `fraud_share`: share of all payments that belong to a fraud. `run`: replaces the
    seed in every event_id, so that several runs into one log have distinct ids.
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
        """Average payments per second of event time of all accounts: the natural rate."""
        return self.accounts * PAYMENTS_A_DAY / 86_400
