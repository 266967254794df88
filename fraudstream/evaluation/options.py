"""What an evaluation measures, as its caller asks for it."""

from __future__ import annotations

from typing import NamedTuple

from fraudstream.evaluation.payments import DAY_MS


class Options(NamedTuple):
    """What to measure. `from_ms`, `until_ms`: the period, the end not included; None: from the day of the first
    payment, to the end of that of the last. `alerts_per_day`: the alert budget. `k`: of Card Precision@k.
    `known_since_ms`: leave out accounts of which a fraud since then was known, `label_delay_ms` after it. `draws`: of
    the bootstrap, 0 for no intervals. `folds`: periods of the same length, the first this one, that follow one another;
    more than one needs a beginning and an end.
    """

    from_ms: int | None = None
    until_ms: int | None = None
    alerts_per_day: float = 50.0
    k: int = 100
    known_since_ms: int | None = None
    label_delay_ms: int = 7 * DAY_MS
    draws: int = 200
    folds: int = 1

    @property
    def last_end_ms(self) -> int | None:
        """The end of the last fold, ms since the epoch; None: to the last payment."""
        if self.from_ms is None or self.until_ms is None:
            return self.until_ms
        return self.until_ms + (self.folds - 1) * (self.until_ms - self.from_ms)
