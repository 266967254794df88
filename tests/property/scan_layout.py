"""The layout of the scanner's tests: every field and every declared attribute, in every matrix that takes it."""

from __future__ import annotations

from typing import Final

from fraudstream.engine.expression import PAYMENT_FIELDS, Symbols, Type
from fraudstream.engine.frame import FrameLayout

DECLARED: Final[Symbols] = {
    "name_match": Type.BOOL,
    "risk": Type.NUMBER,
    "partner": Type.TEXT,
    "a": Type.BOOL,
    "b": Type.NUMBER,
    "c\u00e9": Type.TEXT,  # no plain record has it
    "x" * 64: Type.NUMBER,
    "y" * 70: Type.NUMBER,  # longer than any attribute may be
}
_ALL: Final[Symbols] = {**PAYMENT_FIELDS, **{f"attributes.{name}": type_ for name, type_ in DECLARED.items()}}
_TEXTS: Final = tuple(name for name, type_ in _ALL.items() if type_ is Type.TEXT)
_NUMBERS: Final = tuple(name for name, type_ in _ALL.items() if type_ is not Type.TEXT)

SCANNED: Final = ("event_id", *_ALL)  # the names whose rows a scanner writes
LAYOUT: Final = FrameLayout(
    numbers=("account.payments_1h", "night", *_NUMBERS, "lists.stolen_devices"),
    texts=("event_id", *_TEXTS, "account.last_country"),
    spans=("event_id", *_TEXTS),
)
