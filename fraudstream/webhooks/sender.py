"""Sends one webhook: a POST that follows no redirect, reads no answer, and ends in time."""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver

from fraudstream import __version__
from fraudstream.contracts.error_text import error_text
from fraudstream.webhooks.addresses import CheckedResolver, ForbiddenAddressError
from fraudstream.webhooks.endpoints import SignedEndpoint
from fraudstream.webhooks.signature import signed_headers

RETRY_AFTER_S_MAX: Final = 3600
CONNECTIONS_MAX: Final = 8


class Delivered(NamedTuple):
    """The endpoint has answered with 2xx."""

    status: int


class Failed(NamedTuple):
    """It has not. `sentence`: what happened. `retry_after_s`: when the endpoint wants it again, if it says so."""

    sentence: str
    retry_after_s: float | None = None


class Gone(NamedTuple):
    """The endpoint has answered with 410: it wants no more webhooks."""


Outcome = Delivered | Failed | Gone


class Sender:
    """Posts to one endpoint. `timeout_s`: of a whole attempt. `resolver`: asks for the addresses of names, by default
    those that the system knows. Close it at the end."""

    def __init__(self, signed: SignedEndpoint, timeout_s: float, resolver: AbstractResolver | None = None) -> None:
        self._signed, self._timeout_s, self._resolver = signed, timeout_s, resolver
        self._session: aiohttp.ClientSession | None = None

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """One attempt. Raises nothing but `asyncio.CancelledError`."""
        headers = {
            "content-type": "application/json",
            "user-agent": f"fraudstream/{__version__}",
            **signed_headers(self._signed.secrets, event_id, int(time.time()), body),
        }
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._open_session().post(
                    self._signed.endpoint.url, data=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                return _outcome(answer.status, answer.headers.get("retry-after"))
        except TimeoutError:
            return Failed(f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Failed(_reason(error))

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            endpoint = self._signed.endpoint
            resolver = CheckedResolver(private=endpoint.private, loopback=endpoint.is_loopback, resolver=self._resolver)
            connector = aiohttp.TCPConnector(resolver=resolver, limit=CONNECTIONS_MAX, use_dns_cache=False)
            # Without cookies and without proxies of the environment: requests go where the file says.
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
            )
        return self._session


def _reason(error: Exception) -> str:
    """What aiohttp's error is about; that an address is forbidden it only has as its cause."""
    cause = error.__cause__
    return str(cause if isinstance(cause, ForbiddenAddressError) else error_text(error)).rstrip(".")


def _outcome(status: int, retry_after: str | None) -> Outcome:
    if 200 <= status < 300:
        return Delivered(status)
    if status == 410:
        return Gone()
    wait = retry_after or ""
    seconds = min(int(wait), RETRY_AFTER_S_MAX) if wait.isascii() and wait.isdecimal() and len(wait) < 9 else None
    redirect = ": redirects are not followed" if 300 <= status < 400 else ""
    return Failed(f"HTTP {status}{redirect}", seconds)
