"""Durations as people write them: 90s, 15m, 24h, 30d, 2w. The one table of units."""

from __future__ import annotations

import re
from typing import Final

UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d|w)")


def parse_duration(text: str) -> int:
    """Milliseconds. Raises `ValueError` with a whole sentence.

    >>> parse_duration("15m"), parse_duration("2w")
    (900000, 1209600000)
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"'{text[:40]}' is not a duration. Write a whole number and a unit, as in 90s, 15m, 24h, 30d, 2w."
        )
    return int(match[1]) * UNITS_MS[match[2]]


def duration_text(duration_ms: float) -> str:
    """The duration in its largest whole unit, or in the two largest units, which give it to within one percent.

    >>> duration_text(86_400_000), duration_text(5_430_000), duration_text(250), duration_text(0)
    ('1d', '1h 30m', '250ms', '0s')
    """
    rest = round(abs(duration_ms))
    parts: list[str] = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return ("-" if duration_ms < 0 else "") + (" ".join(parts) or "0s")
