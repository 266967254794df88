"""When the generated payments of `fraudstream up` begin to be live: a few days ago, so that cases have the ages, and
figures by hour and day the values, of a desk at work."""

from __future__ import annotations

from typing import Final

from fraudstream.contracts.duration import UNITS_MS

DAY_MS: Final = UNITS_MS["d"]
DAY_STARTS_MS: Final = 8 * UNITS_MS["h"]  # 08:00 UTC, as a working day begins
LIVE_MS_MIN: Final = 20 * UNITS_MS["m"]  # on the clock: how long the rate asked for lasts at least
_SATURDAY: Final = 5


def start_before(now_ms: int, speed: float) -> int:
    """The last working day's 08:00 UTC from which `speed` times the clock's pace needs at least `LIVE_MS_MIN` to reach
    the present, which is `now_ms`. Both in ms since the epoch, UTC.

    >>> start_before(1_796_058_000_000, 288.0)  # Monday 2026-11-30T17:00Z: Thursday 2026-11-26T08:00Z
    1795680000000
    """
    day = (now_ms - round(LIVE_MS_MIN * speed) - DAY_STARTS_MS) // DAY_MS
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday; 0 is Monday
    return (day - max(0, weekday - _SATURDAY + 1)) * DAY_MS + DAY_STARTS_MS
