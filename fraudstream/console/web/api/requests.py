"""What a program sends: parameters of a URL and JSON bodies. What is not understood is refused, not ignored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, TypeVar

import msgspec
from fastapi import Request

from fraudstream.console.web.api.problems import ProblemError
from fraudstream.contracts.undecodable import UNDECODABLE

BYTES_MAX: Final = 64 * 1024
TEXT_CHARACTERS_MAX: Final = 200
Body = TypeVar("Body")


def parameters_of(request: Request, texts: Collection[str], choices: Mapping[str, Collection[str]]) -> dict[str, str]:
    """The parameters of the URL. `texts`: names of those that are any text of 1 to 200 characters; `choices`: the
    values of those that are one of a few. Raises `ProblemError`."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            raise _invalid(f"the parameter {name[:40]!r} is given twice.")
        if name in choices:
            if value not in choices[name]:
                raise _invalid(f"{name} is one of {', '.join(choices[name])}, not {value[:40]!r}.")
        elif name not in texts:
            known = ", ".join((*choices, *texts)) or "none"
            raise _invalid(f"there is no parameter {name[:40]!r}. Known: {known}.")
        elif not 0 < len(value) <= TEXT_CHARACTERS_MAX or not value.isprintable():
            raise _invalid(f"{name} has 1 to {TEXT_CHARACTERS_MAX} printable characters.")
        found[name] = value
    return found


async def body_of(request: Request, kind: type[Body]) -> tuple[Body, bytes]:
    """The JSON body, and its bytes. Raises `ProblemError`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ProblemError(415, "media_type", "Send the body as application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BYTES_MAX:
            raise ProblemError(413, "too_large", f"A body has {BYTES_MAX} bytes at most.")
    try:
        return msgspec.json.decode(body, type=kind), bytes(body)
    except (*UNDECODABLE, ValueError) as error:
        raise _invalid(f"the body cannot be used: {str(error)[:300]}.") from None


def _invalid(detail: str) -> ProblemError:
    return ProblemError(400, "invalid", detail[:1].upper() + detail[1:])
