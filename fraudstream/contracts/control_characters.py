"""Control characters in identifiers: refused, as identifiers become Kafka keys, file columns and lines of a log."""

from __future__ import annotations

import re

import msgspec

_FREE_TEXT = frozenset({"note"})
_CONTROL = re.compile(r"[\x00-\x1f]")


def control_character_path(event: msgspec.Struct) -> str | None:
    """The path of the first text field of `event` that holds a control character (below U+0020), or None.

    Free text and attributes may hold them. JSON writes them as escapes only, so a decoder asks for the few records
    whose bytes hold a backslash, and pays nothing for the others.

    >>> from fraudstream.contracts import Payment
    >>> payment = Payment("e-1", 0, "acc\\n1", "1.00", "EUR", "debit")
    >>> control_character_path(payment)
    '$.account_id'
    """
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, str) and name not in _FREE_TEXT and _CONTROL.search(value):
            return f"$.{name}"
    return None
