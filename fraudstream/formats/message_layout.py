"""The section `message` of a mapping: which messages it reads, and how their transactions are found."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, Literal

import msgspec

from fraudstream.formats.iso20022 import MESSAGE_TYPE, TRANSACTION_ELEMENTS

OTHER_FORMATS: Final = ("iso8583", "avro", "json", "protobuf")
Framing = Literal["length2", "length4", "lines"]


class MessageLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`format`: a message of ISO 20022 such as pacs.008, or iso8583, avro, json, protobuf. `each`: the path of the
    transactions in a message: of elements, or of an array. `dialect`: of ISO 8583: a shipped name or a .yaml file.
    `framing`: what divides the messages of a file of ISO 8583. `reference_date`: a time without a year is in the year
    that brings it nearest to this day; by default to its record's publication."""

    format: Annotated[str, msgspec.Meta(min_length=1)]
    each: str | None = None
    dialect: str | None = None
    framing: Framing = "lines"
    reference_date: str | None = None

    def __post_init__(self) -> None:
        if MESSAGE_TYPE.fullmatch(self.format) is None and self.format not in OTHER_FORMATS:
            known = ", ".join([*TRANSACTION_ELEMENTS, *OTHER_FORMATS])
            raise ValueError(f"format is {self.format!r}, which is not known; there are {known}")
        if self.dialect is not None and self.format != "iso8583":
            raise ValueError("dialect is of iso8583 alone")
        if self.reference_date is not None:
            _ = self.reference_ms

    @property
    def reference_ms(self) -> int | None:
        """Noon of `reference_date`, ms since the epoch, UTC; None if it is not given. Raises `ValueError`."""
        if self.reference_date is None:
            return None
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", self.reference_date):
            raise ValueError(f"reference_date is {self.reference_date!r}; expected a day such as 2026-03-04")
        day = date.fromisoformat(self.reference_date)
        return ((day - date(1970, 1, 1)).days * 24 + 12) * 3_600_000

    @property
    def is_iso20022(self) -> bool:
        """Whether its messages are of ISO 20022."""
        return self.format not in OTHER_FORMATS
