"""The clients. A request that a gateway did not take goes to the next one: a payment that arrives twice gets its first
decision again, so that this is safe."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

import httpx

from fraudstream.client.answers import GatewayAnswer, GatewayError, PaymentRefusedError, read_one, read_several

DEADLINE_MS: Final = 250
EXTRA_S: Final = 1.0  # what a gateway may take beyond the deadline before it counts as away
PATH: Final = "/v1/decisions"
_NUMBER: Final = re.compile(r"\[Errno -?\d+\] ")  # of the system's errors
_AGAIN: Final = frozenset({429, 502, 503, 504})  # another gateway may take it

Payment = Mapping[str, Any] | bytes


class _Requests:
    """What both clients send. `urls`: of the gateways."""

    def __init__(self, urls: str | Sequence[str], key: str | None) -> None:
        self.urls = [url.rstrip("/") for url in ([urls] if isinstance(urls, str) else urls)]
        if not self.urls:
            raise ValueError("name at least one gateway")
        self._key = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._first = 0

    def in_turn(self) -> list[str]:
        """The gateways, the one that answered last first."""
        return [*self.urls[self._first :], *self.urls[: self._first]]

    def answered(self, url: str) -> None:
        """Begin with this gateway next time."""
        self._first = self.urls.index(url)

    def post(self, payments: Payment | Sequence[Payment], deadline_ms: int, key: str | None) -> dict[str, Any]:
        """The arguments of a request."""
        headers = {**self._key, "Content-Type": "application/json", "Deadline-Ms": str(deadline_ms)}
        if key is not None:
            headers["Idempotency-Key"] = key
        return {"content": _body(payments), "headers": headers, "timeout": deadline_ms / 1000 + EXTRA_S}

    def get(self) -> dict[str, Any]:
        """The arguments of a question for a decision."""
        return {"headers": self._key, "timeout": EXTRA_S}


class GatewayClient:
    """`urls`: of one gateway, or of several to try in turn. `key`: an API key or access token. `options`: of
    `httpx.Client`, such as `verify` and `cert`. Methods raise `GatewayError`; use it in one thread."""

    def __init__(self, urls: str | Sequence[str], key: str | None = None, **options: Any) -> None:
        self._requests, self._http = _Requests(urls, key), httpx.Client(**options)

    def decide(
        self, payment: Payment, *, deadline_ms: int = DEADLINE_MS, idempotency_key: str | None = None
    ) -> GatewayAnswer:
        """The decision on a payment, or the time-out. `payment`: fields, or their JSON. Raises `PaymentRefusedError`,
        too."""
        response = self._post(self._requests.post(payment, deadline_ms, idempotency_key))
        return read_one(response.status_code, response.content)

    def decide_several(
        self, payments: Sequence[Payment], *, deadline_ms: int = DEADLINE_MS, idempotency_key: str | None = None
    ) -> list[GatewayAnswer | PaymentRefusedError]:
        """The answers to payments, in their order."""
        response = self._post(self._requests.post(payments, deadline_ms, idempotency_key))
        return read_several(response.status_code, response.content)

    def find(self, event_id: str) -> GatewayAnswer | None:
        """The decision on a payment that was sent before; None if no gateway knows it."""
        for url in self._requests.in_turn():
            try:
                response = self._http.get(f"{url}{PATH}/{quote(event_id, safe='')}", **self._requests.get())
            except httpx.TransportError:
                continue
            if response.status_code != 404:
                return read_one(response.status_code, response.content)
        return None

    def _post(self, request: dict[str, Any]) -> httpx.Response:
        last: httpx.Response | None = None
        for url in self._requests.in_turn():
            try:
                last = self._http.post(f"{url}{PATH}", **request)
            except httpx.TransportError as error:
                failure = error
                continue
            if last.status_code not in _AGAIN:
                self._requests.answered(url)
                return last
        if last is None:
            raise _away(self._requests.urls, failure) from failure
        return last

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> GatewayClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncGatewayClient:
    """As `GatewayClient`, for asyncio; many requests may run at once. `options`: of `httpx.AsyncClient`."""

    def __init__(self, urls: str | Sequence[str], key: str | None = None, **options: Any) -> None:
        self._requests, self._http = _Requests(urls, key), httpx.AsyncClient(**options)

    async def decide(
        self, payment: Payment, *, deadline_ms: int = DEADLINE_MS, idempotency_key: str | None = None
    ) -> GatewayAnswer:
        """As `GatewayClient.decide`."""
        response = await self._post(self._requests.post(payment, deadline_ms, idempotency_key))
        return read_one(response.status_code, response.content)

    async def decide_several(
        self, payments: Sequence[Payment], *, deadline_ms: int = DEADLINE_MS, idempotency_key: str | None = None
    ) -> list[GatewayAnswer | PaymentRefusedError]:
        """As `GatewayClient.decide_several`."""
        response = await self._post(self._requests.post(payments, deadline_ms, idempotency_key))
        return read_several(response.status_code, response.content)

    async def find(self, event_id: str) -> GatewayAnswer | None:
        """As `GatewayClient.find`."""
        for url in self._requests.in_turn():
            try:
                response = await self._http.get(f"{url}{PATH}/{quote(event_id, safe='')}", **self._requests.get())
            except httpx.TransportError:
                continue
            if response.status_code != 404:
                return read_one(response.status_code, response.content)
        return None

    async def _post(self, request: dict[str, Any]) -> httpx.Response:
        last: httpx.Response | None = None
        for url in self._requests.in_turn():
            try:
                last = await self._http.post(f"{url}{PATH}", **request)
            except httpx.TransportError as error:
                failure = error
                continue
            if last.status_code not in _AGAIN:
                self._requests.answered(url)
                return last
        if last is None:
            raise _away(self._requests.urls, failure) from failure
        return last

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncGatewayClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _body(payments: Payment | Sequence[Payment]) -> bytes:
    if isinstance(payments, bytes):
        return payments
    if isinstance(payments, Mapping):
        return json.dumps(payments, ensure_ascii=False).encode()
    return b"[" + b",".join(map(_body, payments)) + b"]"


def _away(urls: Sequence[str], error: httpx.TransportError) -> GatewayError:
    detail = _NUMBER.sub("", str(error)) or type(error).__name__
    return GatewayError(None, "away", f"no gateway answers at {', '.join(urls)}: {detail}")
