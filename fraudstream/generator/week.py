"""The calendar of the customers: hours of the week, weekends, pay days. Times are UTC."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fraudstream.contracts.duration import UNITS_MS

HOUR_MS, DAY_MS = UNITS_MS["h"], UNITS_MS["d"]
WEEK_HOURS = 168
PAY_DAYS = (1, 10, 15, 25, 28)  # days of the month
PAY_DAYS_WEIGHT = (15, 10, 15, 45, 15)


def hour_of_week(at_ms: int) -> int:
    """0 to 167; 0 is the first hour of Monday.

    >>> hour_of_week(0)  # 1970-01-01 was a Thursday
    72
    """
    return (at_ms // HOUR_MS + 72) % WEEK_HOURS


def is_weekend(hour: int) -> bool:
    """Whether an hour of the week is on Saturday or Sunday."""
    return hour >= 120


@lru_cache(maxsize=64)
def days_since_pay(day: int) -> npt.NDArray[np.int64]:
    """Days since the last salary of each of `PAY_DAYS`, on the day with this number since the epoch; int64 (5,).

    0: it is paid on this day. A pay day on a weekend moves to the Friday before.
    """
    found = []
    for number in PAY_DAYS:
        month = np.datetime64(int(day), "D").astype("datetime64[M]")
        paid = [_working_day((month + step).astype("datetime64[D]") + (number - 1)) for step in (-1, 0, 1)]
        found.append(day - max(at for at in paid if at <= day))
    return np.array(found, np.int64)


def _working_day(date: np.datetime64) -> int:
    at = int(date.astype(np.int64))
    return at - max(0, (at + 3) % 7 - 4)
