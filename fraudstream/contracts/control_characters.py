"""Control characters in identifiers: rejected, because identifiers become Kafka keys, file columns and log lines."""

from __future__ import annotations

import re

import msgspec

_FREE_TEXT = frozenset({"note"})
_CONTROL = re.compile(r"[\x00-\x1f]")


def control_character_path(event: msgspec.Struct) -> str | None:
    """JSON path of the first text field of `event` that contains a control character (below U+0020), or None.

    Free text and attributes may contain them. JSON can only write them as escapes, so a decoder needs this check only
    for records whose bytes contain a backslash.

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
