"""Requests to a provider: over HTTPS, bounded in time and size, without redirects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

ANSWER_S_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 512 * 1024

Fetch = Callable[[str, Mapping[str, str] | None], Awaitable[bytes]]


def is_safe_url(url: str) -> bool:
    """Whether the URL is HTTPS, or on this machine.

    >>> is_safe_url("https://id.bank.example/token"), is_safe_url("http://id.bank.example/token")
    (True, False)
    """
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    return is_local or (parts.scheme == "https" and bool(parts.hostname))


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        """A redirect could lead a secret to another host."""


async def fetch_url(url: str, form: Mapping[str, str] | None) -> bytes:
    """GET, or POST of a form, with a time limit. Raises `OSError`."""

    def fetched() -> bytes:
        data = None if form is None else urlencode(form).encode()
        with build_opener(_NoRedirects).open(Request(url, data), timeout=ANSWER_S_MAX) as answer:
            body: bytes = answer.read(ANSWER_BYTES_MAX + 1)
        if len(body) > ANSWER_BYTES_MAX:
            raise URLError("the answer is too large")
        return body

    return await asyncio.to_thread(fetched)
