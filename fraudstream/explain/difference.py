"""Compares two JSON documents field by field."""

from __future__ import annotations

from typing import Any

import msgspec

ABSENT = "absent"


class Difference(msgspec.Struct, frozen=True):
    """One field that differs. `path` as in `$.rules[0].message`; `sent` and `now` are JSON texts, or `ABSENT`."""

    path: str
    sent: str
    now: str


def differences(sent: bytes, now: bytes) -> list[Difference]:
    """The fields that differ, in document order. Raises `msgspec.DecodeError`.

    >>> [tuple(map(str, (d.path, d.sent, d.now))) for d in differences(b'{"a": [1, 2]}', b'{"a": [1], "b": "x"}')]
    [('$.a[1]', '2', 'absent'), ('$.b', 'absent', '"x"')]
    """
    found: list[Difference] = []
    _compare("$", msgspec.json.decode(sent), msgspec.json.decode(now), found)
    return found


_MISSING = object()


def _compare(path: str, sent: Any, now: Any, found: list[Difference]) -> None:
    if isinstance(sent, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*sent, *now)):
            _compare(f"{path}.{key}", sent.get(key, _MISSING), now.get(key, _MISSING), found)
    elif isinstance(sent, list) and isinstance(now, list):
        for index in range(max(len(sent), len(now))):
            left, right = (side[index] if index < len(side) else _MISSING for side in (sent, now))
            _compare(f"{path}[{index}]", left, right, found)
    elif sent != now or type(sent) is not type(now):
        found.append(Difference(path, _text(sent), _text(now)))


def _text(value: Any) -> str:
    return ABSENT if value is _MISSING else msgspec.json.encode(value).decode()
