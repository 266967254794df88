"""Bodies of POST requests: URL-encoded forms of limited size, read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.requests import ClientDisconnect

from fraudstream.console.web.errors import PageError

BYTES_MAX: Final = 64 * 1024
FIELDS_MAX: Final = 240  # a form may choose all alerts of a case
_TYPE: Final = "application/x-www-form-urlencoded"


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of the form, each with its last value. Raises `PageError`."""
    return dict(await _fields(request))


async def values_of(request: Request, name: str) -> tuple[str, ...]:
    """Every value that a field of the form has, such as those of ticked boxes. Raises `PageError`."""
    return tuple(value for field, value in await _fields(request) if field == name)


async def _fields(request: Request) -> list[tuple[str, str]]:
    if not hasattr(request.state, "form"):
        request.state.form = await _read(request)
    return cast(list[tuple[str, str]], request.state.form)


async def _read(request: Request) -> list[tuple[str, str]]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise PageError(415, "invalid")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BYTES_MAX:
                raise PageError(413, "too_large")
    except ClientDisconnect:  # as when a draft is changed while it is being checked
        raise PageError(400, "invalid") from None
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:  # a UnicodeDecodeError is one
        raise PageError(400, "invalid") from None
