"""Reads from a record that is not a valid payment which payment it was meant to be.

A field counts only where it is unambiguous and valid itself: the answer to a payment must not reach another one.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from fraudstream.contracts.control_characters import has_control_character
from fraudstream.engine.columns import SECONDS_END, SECONDS_MIN, time_ms

SEARCHED_BYTES_MAX: Final = 1 << 20
IDENTIFIER_CHARACTERS_MAX: Final = 128  # of contracts.fields.Identifier

_EVENT_ID, _ACCOUNT_ID = (
    re.compile(rb'"' + name + rb'"\s*:\s*("(?:[^"\\]|\\.){0,1536}"|-?\d{1,40}(?![\d.eE]))')
    for name in (b"event_id", b"account_id")
)


class PartialEvent(NamedTuple):
    """The fields that could be read. `occurred_at_ms`: ms since the epoch, UTC."""

    event_id: str | None = None
    account_id: str | None = None
    occurred_at_ms: int | None = None


class _Loose(msgspec.Struct):
    event_id: Any = None
    account_id: Any = None
    occurred_at: Any = None


_loose = msgspec.json.Decoder(_Loose).decode
_text = msgspec.json.Decoder(str).decode


def read_partially(value: bytes | None) -> PartialEvent:
    """The event that `value` was meant to be: of a JSON object its own fields, else the ids that occur anywhere in it.

    An id that occurs with two values is left out, as in a list of payments. A number counts as an id. At most the first
    MiB is read.

    >>> read_partially(b'{"event_id": "e1", "account_id": 7, "amount": 12.5}')
    PartialEvent(event_id='e1', account_id='7', occurred_at_ms=None)
    >>> read_partially(b'{"data": {"event_id": "e1"}, "broken')
    PartialEvent(event_id='e1', account_id=None, occurred_at_ms=None)
    """
    value = (value or b"")[:SEARCHED_BYTES_MAX]
    try:
        found = _loose(value)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        return _searched(value)
    if found.event_id is None and found.account_id is None:
        return _searched(value)
    return PartialEvent(_identifier(found.event_id), _identifier(found.account_id), _time_ms(found.occurred_at))


def _searched(value: bytes) -> PartialEvent:
    """The ids that occur anywhere in `value`, also in JSON text within a JSON string."""
    with suppress(msgspec.DecodeError, UnicodeError):
        value = _text(value).encode()
    return PartialEvent(_only(_EVENT_ID, value), _only(_ACCOUNT_ID, value))


def _only(pattern: re.Pattern[bytes], value: bytes) -> str | None:
    """The identifier that `pattern` finds, if it finds one and no other."""
    written = set(pattern.findall(value))
    if len(written) != 1:
        return None
    try:
        return _identifier(msgspec.json.decode(written.pop()))
    except (msgspec.DecodeError, UnicodeError):
        return None


def _identifier(found: Any) -> str | None:
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or not 1 <= len(found) <= IDENTIFIER_CHARACTERS_MAX or has_control_character(found):
        return None
    return found


def _time_ms(found: Any) -> int | None:
    if isinstance(found, str):
        try:
            found = time_ms(msgspec.convert(found, datetime))
        except (msgspec.ValidationError, TypeError):  # not a time; a time without a zone
            return None
    elif not isinstance(found, int) or isinstance(found, bool) or SECONDS_MIN <= found < SECONDS_END:
        return None
    return found if time_ms(found) >= 0 else None
