"""Numbers in the plain text of evidence: amounts with a currency, durations, plain numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_AMOUNT: Final = re.compile(r"(-?\d[\d_,]*(?:\.\d+)?)(?: ([A-Z]{3}|km|%))?")
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]) ?)+")
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_SECONDS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Quantity(NamedTuple):
    """A number and its unit: a currency, 's' for a duration in seconds, or '' for a plain number."""

    number: float
    unit: str


def quantity_of(text: str) -> Quantity | None:
    """The quantity that the whole `text` is; None if it is none.

    >>> quantity_of("526.26 EUR"), quantity_of("1d 2h"), quantity_of("8"), quantity_of("true")
    (Quantity(number=526.26, unit='EUR'), Quantity(number=93600.0, unit='s'), Quantity(number=8.0, unit=''), None)
    """
    if (found := _AMOUNT.fullmatch(text)) is not None:
        return Quantity(float(found[1].replace(",", "").replace("_", "")), found[2] or "")
    if _DURATION.fullmatch(text):
        return Quantity(sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text)), "s")
    return None
