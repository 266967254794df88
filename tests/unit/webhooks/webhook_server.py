"""A real HTTP server that takes webhooks and answers as a test says."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
from aiohttp import web

from fraudstream.webhooks.endpoints import Endpoint, EventKind, SignedEndpoint
from fraudstream.webhooks.signature import parse_secret

SECRET_TEXT = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = parse_secret(SECRET_TEXT)
EVERY_KIND: tuple[EventKind, ...] = ("case.opened", "case.closed", "case.escalated", "alert")


class Taken(NamedTuple):
    """A request as it came."""

    event_id: str
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        """The event's type."""
        return str(msgspec.json.decode(self.body)["type"])

    def is_signed_by(self, secret: bytes) -> bool:
        """Whether one of the signatures is right."""
        signed = f"{self.event_id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        return wanted in self.headers["webhook-signature"].split(" ")


Answer = Callable[[Taken], Awaitable[web.Response] | web.Response]


class WebhookServer:
    """`taken`: every request. `answer`: what it answers, by default 204."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.taken: list[Taken] = []
        self.answer: Answer = lambda _: web.Response(status=204)

    def endpoint(self, name: str = "tool", **fields: object) -> SignedEndpoint:
        """An endpoint here."""
        values: dict[str, object] = {"name": name, "url": self.url, "events": EVERY_KIND, "secret_file": "x"}
        return SignedEndpoint(msgspec.convert(values | fields, Endpoint), (SECRET,))

    async def handle(self, request: web.Request) -> web.Response:
        """Take a request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        taken = Taken(headers.get("webhook-id", ""), headers, await request.read())
        self.taken.append(taken)
        answer = self.answer(taken)
        return answer if isinstance(answer, web.Response) else await answer


@asynccontextmanager
async def webhook_server() -> AsyncIterator[WebhookServer]:
    """A server on a free port of loopback."""
    app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    server = WebhookServer("")
    app.router.add_route("*", "/{path:.*}", server.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/hook"
    try:
        yield server
    finally:
        await asyncio.wait_for(runner.cleanup(), 5)
