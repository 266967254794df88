"""Times as text and as numbers: RFC 3339 in UTC, milliseconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d(-?\d)?)([Tt ]|$)")
_MILLISECOND: Final = timedelta(milliseconds=1)

Precision = Literal["seconds", "milliseconds", "shortest"]


def utc(at_ms: float) -> datetime:
    """The time `at_ms`, ms since the epoch, as a datetime in UTC, rounded down to the millisecond.

    Raises `OverflowError` outside the years 1 to 9999.
    """
    return _EPOCH + int(at_ms // 1) * _MILLISECOND


def utc_text(at_ms: float, precision: Precision = "seconds") -> str:
    """The time `at_ms`, ms since the epoch, in RFC 3339, UTC.

    `precision`: what lies below it is cut off; "shortest": milliseconds unless they are zero, else seconds. Raises
    `OverflowError` outside the years 1 to 9999.

    >>> utc_text(1_772_625_600_120), utc_text(1_772_625_600_120, "milliseconds")
    ('2026-03-04T12:00:00Z', '2026-03-04T12:00:00.120Z')
    >>> utc_text(1_772_625_600_000, "shortest"), utc_text(-1, "milliseconds")
    ('2026-03-04T12:00:00Z', '1969-12-31T23:59:59.999Z')
    """
    moment = utc(at_ms)
    if precision == "shortest":
        precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).removesuffix("+00:00") + "Z"


def iso_moment(text: str) -> datetime:
    """The date, or date and time, that `text` gives in ISO 8601. Raises `ValueError`.

    Python takes any character for the separator of date and time, and so the offset of a date for a time.

    >>> iso_moment("2026-03-04 13:00+01:00").isoformat()
    '2026-03-04T13:00:00+01:00'
    >>> iso_moment("2026-03-04+01:00")
    Traceback (most recent call last):
    ValueError: '2026-03-04+01:00' is not a date and time in ISO 8601
    """
    if _DATE.match(text) is None:
        raise ValueError(f"{text[:40]!r} is not a date and time in ISO 8601")
    return datetime.fromisoformat(text)


def parse_utc_ms(text: str, zone_required: bool = True) -> int:
    """The time that `text` gives in ISO 8601, ms since the epoch, rounded down to the millisecond.

    A text without a zone means UTC, unless `zone_required`. Raises `ValueError`, with a whole sentence.

    >>> parse_utc_ms("2026-03-04T13:00:00.120+01:00"), parse_utc_ms("2026-03-04", zone_required=False)
    (1772625600120, 1772582400000)
    """
    try:
        moment = iso_moment(text)
    except ValueError:
        moment = None
    if moment is None or (zone_required and moment.tzinfo is None):
        zone = " with its zone" if zone_required else ""
        raise ValueError(f"'{text[:40]}' is not a date and time{zone} in ISO 8601, such as 2027-01-01T00:00:00Z.")
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
