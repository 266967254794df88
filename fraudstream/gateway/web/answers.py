"""What the gateway sends: JSON bodies, and problems (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from starlette.types import Send

from fraudstream.gateway.submission import Refusal

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"
TEXT: Final = "text/plain; charset=utf-8"
TITLES: Final[Mapping[int, str]] = {
    400: "Invalid request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "The request did not arrive in time",
    413: "Too large",
    415: "Unsupported media type",
    422: "The payment cannot be decided",
    429: "Too many requests",
    500: "Unforeseen error",
    503: "Unavailable",
}

_encode = msgspec.json.Encoder().encode


class ProblemError(Exception):
    """The request is answered with `status`, `code` and the sentence `detail`. `headers`: of the answer."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})


class HttpAnswer(NamedTuple):
    """An answer, not sent yet."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = {}

    async def send(self, send: Send) -> None:
        """Send it."""
        headers = [
            (b"content-type", self.content_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
            (b"cache-control", b"no-store"),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def problem(error: ProblemError) -> HttpAnswer:
    """A problem as an answer."""
    return HttpAnswer(
        error.status, PROBLEM_JSON, _encode(_problem(error.status, error.code, error.detail)), error.headers
    )


def refusal(refused: Refusal) -> HttpAnswer:
    """A payment that cannot be decided, with the code, the sentence and the path of its dead letter."""
    return HttpAnswer(422, PROBLEM_JSON, refusal_body(refused))


def refusal_body(refused: Refusal) -> bytes:
    """The same, as one answer of several."""
    body = _problem(422, refused.code, refused.sentence) | {"path": refused.path}
    if refused.event_id is not None:
        body["event_id"] = refused.event_id
    return _encode(body)


def _problem(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": f"urn:fraudstream:problem:{code}",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
    }
