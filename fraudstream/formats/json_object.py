"""JSON objects whose numbers stay text as written, so that no amount goes through a float and no id loses digits."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

_EXACT_DIGITS: Final = 16  # whole numbers of a float are shown in full up to here


def json_object(text: bytes) -> dict[str, Any]:
    """The object in `text`, its numbers as text. Raises `ValueError` with a sentence; a key that is there twice is a
    fault too.

    >>> json_object(b'{"amount": 12.50, "id": 7.0}')
    {'amount': '12.50', 'id': '7'}
    """
    try:
        content = json.loads(
            text, parse_int=str, parse_float=_number, parse_constant=_constant, object_pairs_hook=_once_each
        )
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError("is not a JSON object.")
    return content


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"has the key {twice!r} twice.")
    return content


def _number(text: str) -> str:
    """A number with a decimal point as text: whole ones without it, as in other formats."""
    value = Decimal(text)
    small = value.is_finite() and value.adjusted() < _EXACT_DIGITS
    return str(int(value)) if small and value == value.to_integral_value() else text


def _constant(text: str) -> str | None:
    return None if text == "NaN" else text
