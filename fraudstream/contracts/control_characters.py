"""Control characters in identifiers: rejected, because identifiers become Kafka keys, file columns and log lines.

They are those of Unicode's category Cc: U+0000 to U+001F and U+007F to U+009F. The second range includes a line break
(U+0085) and the beginning of a terminal's control sequence (U+009B).
"""

from __future__ import annotations

import re

import msgspec

_FREE_TEXT = frozenset({"note"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_ESCAPED = re.compile(rb"\\(?:u00[01789]|[bfnrt])")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")  # C2 begins no other character of UTF-8 with these bytes


def has_control_character(text: str) -> bool:
    """Whether `text` contains a control character.

    >>> has_control_character("two\\nlines"), has_control_character("Åsa Öberg")
    (True, False)
    """
    return _CONTROL.search(text) is not None


def may_have_control_character(json: bytes) -> bool:
    """Whether JSON text, in UTF-8, may hold a control character in a string: as an escape, or as itself.

    Only those from U+007F on may stand for themselves. Three searches for a byte, so that a whole batch is cheap.
    """
    if b"\\" in json and _ESCAPED.search(json):
        return True
    return b"\x7f" in json or (b"\xc2" in json and _C1.search(json) is not None)


def control_character_path(event: msgspec.Struct) -> str | None:
    """JSON path of the first text field of `event` that contains a control character, or None.

    Free text and attributes may contain them.

    >>> from fraudstream.contracts import Payment
    >>> payment = Payment("e-1", 0, "acc\\n1", "1.00", "EUR", "debit")
    >>> control_character_path(payment)
    '$.account_id'
    """
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, str) and name not in _FREE_TEXT and has_control_character(value):
            return f"$.{name}"
    return None
