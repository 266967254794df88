"""Which client a request comes from: by its API key, a token of the provider, or its certificate."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fraudstream.gateway.access.bearer_tokens import BearerTokens, ProviderAwayError, TokenError
from fraudstream.gateway.access.clients import ANYBODY, KEY_START, Client, Clients, ClientsError, read_clients

CHECK_S: Final = 2.0  # between two looks at the file of clients

log = logging.getLogger(__name__)


class AccessError(Exception):
    """The request comes from no client. `status`: 401, or 503 if that cannot be told now. `sentence`: why."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Authentication:
    """`path`: of the file of clients; None: whoever reaches the port may ask. `tokens`: None without a provider."""

    def __init__(self, path: Path | None, tokens: BearerTokens | None) -> None:
        """Raises `ClientsError`, `OSError`."""
        self._path, self._tokens = path, tokens
        self._text = None if path is None else path.read_text(encoding="utf-8")
        self._clients = Clients({}, {}, {}) if self._text is None else read_clients(self._text, str(path))

    async def client(self, headers: Mapping[str, str], certificate: str | None) -> Client:
        """Raises `AccessError`. `certificate`: subject of the connection's certificate, if it has a valid one."""
        if self._path is None:
            return ANYBODY
        if (text := _credential(headers)) is not None:
            client = self._clients.by_key(text, time.time())
            if client is None and self._tokens is not None and not text.startswith(KEY_START):
                client = await self._by_token(text)
            if client is None:
                raise AccessError(401, "The API key or token is not known, or has expired.")
            return client
        if certificate is not None and (client := self._clients.certificates.get(certificate)) is not None:
            return client
        if certificate is not None:
            raise AccessError(401, "No client has the subject of this certificate.")
        raise AccessError(401, "Send an API key or an access token: 'Authorization: Bearer ...'.")

    async def _by_token(self, text: str) -> Client | None:
        assert self._tokens is not None
        try:
            return self._clients.subjects.get(await self._tokens.subject(text))
        except TokenError as error:
            raise AccessError(401, f"The access token cannot be accepted: {error}.") from error
        except ProviderAwayError as error:
            log.error("access tokens cannot be verified: %s", error)
            raise AccessError(503, "Access tokens cannot be verified now: their provider does not answer.") from error

    async def follow_file(self) -> None:
        """Read the file again whenever it has changed, until cancelled. A file that cannot be used changes nothing."""
        while self._path is not None:
            await asyncio.sleep(CHECK_S)
            try:
                text = await asyncio.to_thread(self._path.read_text, encoding="utf-8")
                if text == self._text:
                    continue
                self._text = text
                self._clients = read_clients(text, str(self._path))
                log.info("the clients in %s have changed", self._path)
            except (ClientsError, OSError, UnicodeDecodeError) as error:
                log.error("the clients stay as they were: %s", error)


def _credential(headers: Mapping[str, str]) -> str | None:
    """The bearer token of a request, or its API key."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    return headers.get("x-api-key")
