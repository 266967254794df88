"""JSON that is prepared once and filled in often: what msgspec makes of a value, with slots for what differs."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_encode = msgspec.json.Encoder().encode

_MARK: Final = b"\0"  # no JSON contains it: msgspec escapes it in texts

SLOT: Final[Any] = msgspec.Raw(_MARK)  # stands for a value of any type


def template(value: object) -> bytes:
    """The JSON of `value`, with `%b` for each `SLOT` in it: the operator `%` fills in the JSON of the values, in order.

    >>> template({"share": SLOT, "sentence": "at most 5 %"}) % (b"0.04",)
    b'{"share":0.04,"sentence":"at most 5 %"}'
    """
    return _encode(value).replace(b"%", b"%%").replace(_MARK, b"%b")
