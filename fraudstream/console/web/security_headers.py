"""Headers that every response has, the request's id among them, and the refusal of forms that another site has sent.

The policy permits our own files alone, no inline script or style, and text becomes HTML only through the one Trusted
Types policy of `static/fragments.js`.
"""

from __future__ import annotations

import secrets
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fraudstream.console.web.visitors import log_refusal

CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types fragments",
    )
)
_STATIC: Final = "/static/"
_ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_HSTS: Final = "max-age=31536000"


class SecurityHeaders:
    """An ASGI application around `app`. `https`: browsers reach us by HTTPS."""

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self._app, self._https = app, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["request_id"] = secrets.token_hex(8)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(scope, message)
            await send(message)

        if scope["method"] not in ("GET", "HEAD") and _is_from_elsewhere(Headers(scope=scope)):
            log_refusal(Request(scope), None, "a form of another site")
            refusal = PlainTextResponse("This request came from another site.", 403)
            await refusal(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _add_headers(self, scope: Scope, message: dict[str, Any] | Message) -> None:
        headers = MutableHeaders(raw=message["headers"])
        for name, value in _ALWAYS.items():
            headers[name] = value
        # A route may want a stricter policy for what it answers, such as a file.
        headers["content-security-policy"] = scope["state"].get("content_policy", CONTENT_POLICY)
        headers["x-request-id"] = scope["state"]["request_id"]
        if self._https:
            headers["strict-transport-security"] = _HSTS
        is_kept = scope["path"].startswith(_STATIC) and message["status"] == 200
        headers["cache-control"] = "public, max-age=31536000, immutable" if is_kept else "no-store"


def _is_from_elsewhere(headers: Headers) -> bool:
    """Whether another site has made the browser send this. A client without these headers is no browser."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")
