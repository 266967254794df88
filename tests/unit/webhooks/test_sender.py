"""One attempt against a real server: signed, in time, without redirects, and never to a forbidden address."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from fraudstream.webhooks.addresses import CheckedResolver, ForbiddenAddressError, may_send_to
from fraudstream.webhooks.endpoints import SignedEndpoint
from fraudstream.webhooks.sender import RETRY_AFTER_S_MAX, Delivered, Failed, Gone, Outcome, Sender
from fraudstream.webhooks.signature import parse_secret
from tests.unit.webhooks.webhook_server import SECRET, WebhookServer, webhook_server

OLD_SECRET = parse_secret("whsec_" + "QUJD" * 10)


async def attempt(signed: SignedEndpoint, body: bytes = b'{"type":"test"}', timeout_s: float = 5.0) -> Outcome:
    sender = Sender(signed, timeout_s)
    try:
        return await sender.send("event-1", body)
    finally:
        await sender.close()


async def answered(status: int, **headers: str) -> tuple[Outcome, WebhookServer]:
    async with webhook_server() as server:
        server.answer = lambda _: web.Response(
            status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        return await attempt(server.endpoint()), server


async def test_a_body_arrives_as_it_is_with_a_signature_of_each_secret() -> None:
    body = '{"type":"test","data":{"姓名":"王"}}'.encode()
    async with webhook_server() as server:
        signed = server.endpoint()
        assert await attempt(SignedEndpoint(signed.endpoint, (SECRET, OLD_SECRET)), body) == Delivered(204)
        (taken,) = server.taken
    assert taken.body == body
    assert taken.event_id == "event-1"
    assert taken.headers["content-type"] == "application/json"
    assert all(taken.is_signed_by(secret) for secret in (SECRET, OLD_SECRET))
    assert not taken.is_signed_by(b"another")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    outcome, server = await answered(status, location="/elsewhere")
    assert outcome == Failed(f"HTTP {status}: redirects are not followed")
    assert len(server.taken) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
async def test_every_other_answer_is_a_failure(status: int) -> None:
    outcome, _ = await answered(status)
    assert outcome == Failed(f"HTTP {status}")


async def test_410_is_an_end() -> None:
    outcome, _ = await answered(410)
    assert isinstance(outcome, Gone)


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("999999", RETRY_AFTER_S_MAX), ("9" * 400, None), ("-1", None), ("soon", None)]
)
async def test_the_endpoint_may_ask_for_a_pause(text: str, seconds: float | None) -> None:
    outcome, _ = await answered(503, retry_after=text)
    assert outcome == Failed("HTTP 503", seconds)


async def test_an_endpoint_that_hangs_costs_no_more_than_its_time() -> None:
    async def hang(_: object) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with webhook_server() as server:
        server.answer = hang
        assert await attempt(server.endpoint(), timeout_s=0.2) == Failed("no answer within 0.2 s")


async def test_an_answer_without_end_is_not_read() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n" + b"x" * 100_000)
        await writer.drain()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    signed = WebhookServer(f"http://127.0.0.1:{port}/").endpoint()
    assert await attempt(signed) == Delivered(200)
    server.close()


async def test_nobody_there_and_nonsense_are_failures() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert isinstance(await attempt(WebhookServer(f"http://127.0.0.1:{port}/").endpoint()), Failed)

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\xff nonsense\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    signed = WebhookServer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/").endpoint()
    assert isinstance(await attempt(signed), Failed)
    server.close()


class Names(AbstractResolver):
    """A name server that answers with these addresses, in turn."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
            for each in self._addresses
        ]

    async def close(self) -> None:
        pass


async def test_a_name_that_leads_to_a_forbidden_address_is_not_sent_to() -> None:
    resolver = CheckedResolver(private=False, loopback=False, resolver=Names("10.0.0.1", "93.184.216.34"))
    assert [each["host"] for each in await resolver.resolve("hooks.example", 443)] == ["93.184.216.34"]
    inside = CheckedResolver(private=False, loopback=False, resolver=Names("169.254.169.254", "127.0.0.1", "10.0.0.1"))
    with pytest.raises(ForbiddenAddressError, match="where webhooks may not go"):
        await inside.resolve("hooks.example", 443)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1"])
async def test_an_address_in_another_notation_is_no_way_round(host: str) -> None:
    async with webhook_server() as server:
        port = server.url.rsplit(":", 1)[1].split("/")[0]
        assert isinstance(await attempt(WebhookServer(f"https://{host}:{port}/").endpoint()), Failed)
        assert server.taken == []


async def test_a_name_is_checked_where_the_connection_is_made() -> None:
    async with webhook_server() as server:
        port = server.url.rsplit(":", 1)[1].split("/")[0]
        signed = WebhookServer(f"https://hooks.example:{port}/").endpoint()
        sender = Sender(signed, 5.0, resolver=Names("127.0.0.1"))
        outcome = await sender.send("event-1", b"{}")
        await sender.close()
        assert isinstance(outcome, Failed)
        assert "127.0.0.1, where webhooks may not go" in outcome.sentence
        assert server.taken == []


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1", "198.18.0.1"),
    ],
)
def test_addresses_that_are_not_public_are_forbidden(address: str) -> None:
    assert not may_send_to(address, private=False, loopback=False)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "127.0.0.1", "::1"])
def test_some_addresses_are_forbidden_even_where_private_ones_are_not(address: str) -> None:
    assert not may_send_to(address, private=True, loopback=False)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert may_send_to(address, private=False, loopback=False)
