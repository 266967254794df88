"""Bodies of POST requests: URL-encoded forms of limited size, read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.requests import ClientDisconnect

from fraudstream.console.web.errors import PageError

BYTES_MAX: Final = 64 * 1024
FIELDS_MAX: Final = 20
_TYPE: Final = "application/x-www-form-urlencoded"


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of the form, each with its last value. Raises `PageError`."""
    if not hasattr(request.state, "form"):
        request.state.form = await _read(request)
    return cast(Mapping[str, str], request.state.form)


async def _read(request: Request) -> dict[str, str]:
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
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"))
    except ValueError:  # a UnicodeDecodeError is one
        raise PageError(400, "invalid") from None
