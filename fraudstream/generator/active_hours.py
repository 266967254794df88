"""When customers pay: groups with the same hours of the week and the same pay day."""

from __future__ import annotations

import numpy as np

from fraudstream.generator.parameters import Customers
from fraudstream.generator.places import HOURS, HOURS_WEIGHT
from fraudstream.generator.stable_choice import Float64Array, Int64Array
from fraudstream.generator.week import DAY_MS, PAY_DAYS, days_since_pay, hour_of_week

_ZONES = 32  # more than there are, from -16 to 15


class ActiveHours:
    """Draws accounts by their active hours and activity, more often in the days after their salary.

    `zone_h`: UTC offset of each account in hours, int64 (n,). `pay_day`: place in `PAY_DAYS`, int64 (n,). `activity`:
    relative number of payments, float64 (n,).
    """

    def __init__(
        self,
        zone_h: Int64Array,
        pay_day: Int64Array,
        activity: Float64Array,
        customers: Customers,
        rng: np.random.Generator,
    ) -> None:
        self._customers = customers
        kind = rng.choice(len(HOURS), len(zone_h), p=np.array(HOURS_WEIGHT) / sum(HOURS_WEIGHT))
        group = (kind * _ZONES + zone_h + 16) * len(PAY_DAYS) + pay_day
        weeks = _weeks(customers.weekend_level)
        codes, sizes = np.unique(group, return_counts=True)
        self._members: Int64Array = np.argsort(group, kind="stable").astype(np.int64)
        self._first: Int64Array = np.cumsum(sizes) - sizes
        total = np.add.reduceat(activity[self._members], self._first)
        # Running shares of activity within each group, plus the group's number.
        running = np.cumsum(activity[self._members])
        before = np.repeat(running[self._first] - activity[self._members[self._first]], sizes)
        share = (running - before) / np.repeat(np.maximum(total, 1e-300), sizes)
        self._running: Float64Array = np.repeat(np.arange(len(codes)), sizes) + np.minimum(share, 1.0)
        self._last: Int64Array = self._first + sizes - 1
        self._pay_day: Int64Array = codes % len(PAY_DAYS)
        places = (codes // len(PAY_DAYS)).tolist()
        # By hour of the week, UTC.
        rows = [np.roll(weeks[place // _ZONES], -(place % _ZONES - 16)) for place in places]
        self._by_hour: Float64Array = np.array(rows) * total[:, None]  # (groups, 168)
        self._mean = self._by_hour.sum(axis=0).mean() * self._mean_pay_level()

    def _mean_pay_level(self) -> float:
        share = min(1.0, self._customers.pay_day_days * 12 / 365.25)
        return 1 + share * (self._customers.pay_day_level - 1)

    def _weights(self, at_ms: int) -> Float64Array:
        recent = days_since_pay(at_ms // DAY_MS) < self._customers.pay_day_days
        level = np.where(recent, self._customers.pay_day_level, 1.0)[self._pay_day]
        weights: Float64Array = self._by_hour[:, hour_of_week(at_ms)] * level
        return weights

    def level(self, at_ms: int) -> float:
        """Payments in the hour of `at_ms`, relative to the average hour."""
        return float(self._weights(at_ms).sum() / self._mean)

    def draw(self, n: int, at_ms: int, rng: np.random.Generator) -> Int64Array:
        """`n` accounts that pay in the hour of `at_ms`; int64 (n,), in any order."""
        running = np.cumsum(self._weights(at_ms))
        uniform = rng.random((2, n))
        group = np.minimum(np.searchsorted(running, uniform[0] * running[-1], side="right"), len(running) - 1)
        place = np.searchsorted(self._running, group + uniform[1], side="right")
        drawn: Int64Array = self._members[np.minimum(place, self._last[group])]
        return drawn


def _weeks(weekend_level: float) -> Float64Array:
    """Hours of the week of each kind of customer, float64 (kinds, 168), of the same sum.

    On weekends everyone rises later, and nobody keeps the hours of an office.
    """
    hours = np.array(HOURS, float) + 0.15  # no hour is empty
    hours /= hours.sum(axis=1, keepdims=True)
    free = np.roll(hours[[0, 0, 2, 3]], 1, axis=1) * weekend_level
    weeks = np.concatenate([np.tile(hours, 5), np.tile(free, 2)], axis=1)
    result: Float64Array = weeks / weeks.sum(axis=1, keepdims=True)
    return result
