"""Columns of a mapping in a message of ISO 8583.

mti, mti[2:2]     the message type, and its second digit
11, 43[39:40]     a data element, and some of its characters, counted from 1
2                 the card: its identifier (`card_numbers`), from DE2, else from track 2 in DE35; 2.bin, 2.last4
49.alpha          the alphabetic code of a currency
4.net             the amount less the amount in DE95 that remains: what a partial reversal takes back
7.time            month to second, in UTC, with a year (`yearless_time`); so for any element of the form MMDDhhmmss,
                  and a part of one: 90[11:20].time
12.time           local date and time: of DE13 (MMDD) and DE12 (hhmmss), or DE12 alone (YYMMDDhhmmss); without a zone
mti.purpose       reversal (class 4), completion (a financial advice, 02 2x, with DE90), else DE3[1:2]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from fraudstream.contracts.nearest_name import nearest
from fraudstream.formats.card_numbers import CardIdentifier
from fraudstream.formats.currency_numbers import CURRENCY_BY_NUMBER
from fraudstream.formats.yearless_time import with_year

Elements = Mapping[str, str]  # data elements by number, and the message type under `mti`

CARD: Final = "2"
TRACK_2: Final = "35"
MTI: Final = "mti"
# Tracks, PIN data and chip data may not be kept after the authorisation (PCI DSS 3.3), and hold the card's number.
SENSITIVE: Final = frozenset({TRACK_2, "36", "45", "52", "53", "55"})
_COLUMN: Final = re.compile(
    r"(?P<element>mti|[1-9]\d{0,2})(\[(?P<first>\d{1,3}):(?P<last>\d{1,3})\])?(\.(?P<part>\w+))?"
)
_FORM: Final = (
    "is not understood. Write mti, the number of a data element such as 11, characters of it such as 43[39:40]"
)
_AMOUNT_DIGITS: Final = 12


class Reading(NamedTuple):
    """What a column is read with. `reference_ms`: for times without a year; None: there is none."""

    elements: Elements
    reference_ms: int | None
    card_identifier: CardIdentifier | None


class Iso8583Column:
    """A column. `element`: the number of the data element that it reads first, or mti. Raises `ValueError` with a
    sentence if the text is no column."""

    def __init__(self, text: str) -> None:
        found = _COLUMN.fullmatch(text)
        if found is None:
            raise ValueError(f"column {text!r} {_FORM}.")
        self.text = text
        self.element = found["element"]
        if self.element in SENSITIVE:
            raise ValueError(f"column {text!r} reads DE{self.element}, which holds a track, a PIN or chip data.")
        self._span = None if found["first"] is None else (int(found["first"]), int(found["last"]))
        if self._span is not None and not 1 <= self._span[0] <= self._span[1]:
            raise ValueError(f"column {text!r}: characters are counted from 1, the first before the last.")
        part = found["part"]
        self._part = self._part_of(part, text)
        if self.element == CARD and self._span is not None:
            raise ValueError(f"column {text!r}: of a card's number only 2, 2.bin and 2.last4 can be read.")

    @property
    def path(self) -> str:
        """Where it is, for errors: `DE4`, `MTI`."""
        return element_path(self.element)

    @property
    def reads_card(self) -> bool:
        """Whether it reads the number of a card."""
        return self.element == CARD

    def value(self, reading: Reading) -> str | None:
        """Its text; None if it is missing. Raises `ValueError` with a sentence."""
        return self._part(self, reading)

    def characters(self, elements: Elements) -> str | None:
        """The element's text, or those of its characters that the column names."""
        text = elements.get(self.element)
        if text is None or self._span is None:
            return text
        return text[self._span[0] - 1 : self._span[1]]

    def _part_of(self, part: str | None, text: str) -> Callable[[Iso8583Column, Reading], str | None]:
        if part is None:
            return _card if self.element == CARD else _plain
        parts = dict(_PARTS)
        if self.element == "12" and self._span is None:
            parts["time"] = _local_time
        needed = _ELEMENT_OF_PART.get(part, self.element)
        if part not in parts or needed != self.element:
            raise ValueError(f"column {text!r}: {self.path} has no part {part!r}.{nearest(part, parts)}")
        return parts[part]


def element_path(element: str) -> str:
    """The path of a data element in errors.

    >>> element_path("4"), element_path("mti")
    ('DE4', 'MTI')
    """
    return "MTI" if element == MTI else f"DE{element}"


def _plain(column: Iso8583Column, reading: Reading) -> str | None:
    return column.characters(reading.elements)


def _number(elements: Elements) -> str | None:
    """The card's number."""
    if CARD in elements:
        return elements[CARD].strip() or None
    return re.split("[=D]", elements.get(TRACK_2, ""), maxsplit=1)[0].strip() or None


def _card(column: Iso8583Column, reading: Reading) -> str | None:
    number = _number(reading.elements)
    assert reading.card_identifier is not None, "a format without identifiers of cards reads no card"
    return None if number is None else reading.card_identifier(number)


def _bin(column: Iso8583Column, reading: Reading) -> str | None:
    number = _number(reading.elements)
    return None if number is None or not re.fullmatch(r"\d{12,19}", number) else number[:6]


def _last4(column: Iso8583Column, reading: Reading) -> str | None:
    number = _number(reading.elements)
    return None if number is None or not re.fullmatch(r"\d{12,19}", number) else number[-4:]


def _alpha(column: Iso8583Column, reading: Reading) -> str | None:
    code = column.characters(reading.elements)
    if code is None or not code.isdigit():
        return code
    if code not in CURRENCY_BY_NUMBER:
        raise ValueError(f"{code!r} is no numeric code of a currency (ISO 4217).")
    return CURRENCY_BY_NUMBER[code]


def _net(column: Iso8583Column, reading: Reading) -> str | None:
    amount = reading.elements.get("4")
    remaining = reading.elements.get("95", "")[:_AMOUNT_DIGITS]
    if amount is None or not remaining:
        return amount
    if not (amount.isdecimal() and amount.isascii() and remaining.isdecimal() and remaining.isascii()):
        raise ValueError(f"{amount!r} less the {remaining!r} of DE95: both must be digits.")
    if int(remaining) > int(amount):
        raise ValueError(f"{amount} is less than the {remaining} that remains by DE95.")
    return str(int(amount) - int(remaining)).zfill(_AMOUNT_DIGITS)


def _time(column: Iso8583Column, reading: Reading) -> str | None:
    text = column.characters(reading.elements)
    return None if text is None else _dated(text, reading).isoformat() + "Z"


def _local_time(column: Iso8583Column, reading: Reading) -> str | None:
    time = reading.elements.get("12")
    if time is None:
        return None
    if len(time) == 12:  # ISO 8583:1993 and later
        try:
            return datetime.strptime(time, "%y%m%d%H%M%S").isoformat()
        except ValueError:
            raise ValueError(f"{time!r} is no time of the form YYMMDDhhmmss.") from None
    day = reading.elements.get("13")
    if day is None:
        raise ValueError("a time without a day: DE13 is missing.")
    return _dated(day + time, reading).isoformat()


def _dated(text: str, reading: Reading) -> datetime:
    if reading.reference_ms is None:
        raise ValueError("a time without a year: set `reference_date` in the mapping's section `message`.")
    return with_year(text, reading.reference_ms)


def _purpose(column: Iso8583Column, reading: Reading) -> str | None:
    mti = reading.elements[MTI]
    if mti[1] == "4":
        return "reversal"
    if mti[1:3] == "22" and "90" in reading.elements:
        return "completion"
    return reading.elements.get("3", "")[:2] or None


_PARTS: Final[Mapping[str, Callable[[Iso8583Column, Reading], str | None]]] = {
    "alpha": _alpha,
    "bin": _bin,
    "last4": _last4,
    "net": _net,
    "purpose": _purpose,
    "time": _time,
}
_ELEMENT_OF_PART: Final = {"bin": CARD, "last4": CARD, "net": "4", "purpose": MTI}
