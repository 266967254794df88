"""Who said what a payment turned out to be, and how sure they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

Name = tuple[str, str]  # account_id and event_id: two accounts may have payments of one id


class Told(NamedTuple):
    """`source` and `confidence` of a label, as in `contracts.Label`."""

    source: str | None = None
    confidence: float | None = None


UNTOLD: Final = Told()
NOTHING_TOLD: Final[Mapping[Name, Told]] = {}
