"""Times without a year, as ISO 8583 has them: month, day and time. The year is the one that brings the time nearest to
when the message was published, so that the night of New Year needs no rule of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_MONTH_TO_SECOND: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)")


def with_year(text: str, reference_ms: int) -> datetime:
    """The moment that `text`, MMDDhhmmss, means near `reference_ms` (ms since the epoch, UTC); without a zone.

    Raises `ValueError`, with a sentence, for what is no such time.

    >>> with_year("1231235959", 1_767_225_600_000).isoformat()  # 2026-01-01T00:00:00Z
    '2025-12-31T23:59:59'
    """
    found = _MONTH_TO_SECOND.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of the form MMDDhhmmss.")
    month, day, hour, minute, second = map(int, found.groups())
    near = datetime.fromtimestamp(reference_ms / 1000, UTC).replace(tzinfo=None)
    moments = []
    for year in (near.year - 1, near.year, near.year + 1):
        try:
            moments.append(datetime(year, month, day, hour, minute, second))
        except ValueError:  # also February 29 of other years
            continue
    if not moments:
        raise ValueError(f"{text!r} is no time of the form MMDDhhmmss, or February 29 of none of the nearest years.")
    return min(moments, key=lambda moment: abs(moment - near))
