"""Log-ins at a provider of OpenID Connect: what is accepted, and every way in that is none."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from fraudstream.cli.console_settings import ConsoleSettings
from fraudstream.cli.failure import Failure
from fraudstream.console.access.openid_login import WAIT_S
from fraudstream.console.access.openid_provider import NEW_KEYS_S
from fraudstream.openid.fetching import ANSWER_BYTES_MAX, fetch_url
from tests.unit.console.console_app import PASSWORD, ConsoleUnderTest, log_in, post
from tests.unit.console.openid_provider import ISSUER, KEY, ProviderUnderTest

CALLBACK = "/login/openid/callback"
Console = tuple[ConsoleUnderTest, ProviderUnderTest]


@pytest.fixture
async def openid(redis_url: str, unique_name: Callable[[str], str]) -> AsyncIterator[Console]:
    provider = ProviderUnderTest(now_s=1_772_629_200)
    console = ConsoleUnderTest(redis_url, f"{unique_name('cases')}:", provider)
    yield console, provider
    await console.close()


async def back(console: Console, client: httpx.AsyncClient, wanted: str = "/") -> httpx.Response:
    """Begin a log-in, log in at the provider and come back."""
    begun = await client.get("/login/openid", params={"next": wanted})
    assert begun.status_code == 303
    return await client.get(CALLBACK, params=console[1].code_for(begun.headers["location"]))


def refusals(console: Console) -> list[str | None]:
    return [detail for _, _, outcome, _, detail in console[0].audit.of("log_in") if outcome == "failed"]


async def test_a_user_logs_in_with_the_role_of_their_group(openid: Console) -> None:
    console, _ = openid
    client = console.client()
    assert 'href="/login/openid?next=%2Fcases%2Fabcd"' in (await client.get("/login?next=/cases/abcd")).text
    answer = await back(openid, client, "/cases/abcd")
    assert (answer.status_code, answer.headers["location"]) == (303, "/cases/abcd")
    user = await console.users.find("ann")
    assert user is not None
    assert (user.role, user.subject, user.password_hash) == ("analyst", f"{ISSUER} subject-1", "")
    assert (await client.get("/")).status_code == 200
    assert console.audit.of("log_in") == [("ann", "log_in", "done", "user:ann", "OpenID Connect")]


async def test_the_role_follows_the_groups_and_the_team_stays(openid: Console) -> None:
    console, provider = openid
    await back(openid, console.client())
    user = await console.users.find("ann")
    assert user is not None
    await console.add_user("ann", "analyst", team="cards", subject=user.subject)
    provider.claims = {"groups": ["fraud-leads", "fraud-analysts"]}
    await back(openid, console.client())
    user = await console.users.find("ann")
    assert user is not None
    assert (user.role, user.team) == ("senior", "cards")


async def test_such_a_user_has_no_password(openid: Console) -> None:
    console, _ = openid
    client = console.client()
    await back(openid, client)
    for password in ("", PASSWORD):
        assert (await log_in(console.client(), "ann", password)).status_code == 401
    new = "another long password"
    assert (await post(client, "/password", current="", new=new, again=new)).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["console", "another-client"]},  # without azp
        {"azp": "another-client"},
        {"exp": 1_772_629_200 - 61},
        {"exp": None},
        {"iat": 1_772_629_200 + 61},
        {"nonce": "of another log-in"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
    ],
)
async def test_a_token_that_is_not_for_this_log_in_is_refused(openid: Console, claims: dict[str, Any]) -> None:
    openid[1].claims = claims
    answer = await back(openid, openid[0].client())
    assert answer.status_code == 502
    assert "fraudstream-session" not in answer.cookies
    assert refusals(openid) == ["OpenID Connect: provider"]


def unsigned(claims: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


def with_the_public_key_as_secret(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(KEY.as_pem(private=False)))


def with_another_key(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, RSAKey.generate_key(2048, {"kid": "one"}))


@pytest.mark.parametrize("forge", [unsigned, with_the_public_key_as_secret, with_another_key, lambda claims: "x"])
async def test_a_token_with_a_forged_signature_is_refused(
    openid: Console, forge: Callable[[dict[str, Any]], str]
) -> None:
    openid[1].sign = forge
    assert (await back(openid, openid[0].client())).status_code == 502


async def test_new_keys_of_the_provider_are_found(openid: Console) -> None:
    console, provider = openid
    assert (await back(openid, console.client())).status_code == 303
    provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"}, private=True)
    console.now_ms += 1_000 * (NEW_KEYS_S + 1)
    assert [(await back(openid, console.client())).status_code for _ in range(2)] == [502, 303]


@pytest.fixture
def http_server() -> Iterator[str]:
    """Answers POST with what was sent, GET / with a redirect, GET /large with too much."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/large" else 302)
            self.send_header("location", "/large")
            self.end_headers()
            self.wfile.write(b"x" * (ANSWER_BYTES_MAX + 1) if self.path == "/large" else b"")

        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.rfile.read(int(self.headers["content-length"])))

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_a_form_is_sent_and_neither_redirects_nor_large_answers_are_taken(http_server: str) -> None:
    assert await fetch_url(f"{http_server}/token", {"code": "a b"}) == b"code=a+b"
    for path in ("/", "/large"):
        with pytest.raises(OSError, match=r"302|too large"):
            await fetch_url(http_server + path, None)


async def test_a_log_in_of_another_browser_is_refused(openid: Console) -> None:
    """Else a stranger could log an analyst in as themselves, and read what the analyst types."""
    console, provider = openid
    stranger, victim = console.client(), console.client()
    begun = await stranger.get("/login/openid")
    await victim.get("/login")
    answer = await victim.get(CALLBACK, params=provider.code_for(begun.headers["location"]))
    assert (answer.status_code, refusals(openid)) == (403, ["OpenID Connect: state"])


async def test_an_answer_counts_once_and_for_some_minutes(openid: Console) -> None:
    console, provider = openid
    client = console.client()
    begun = await client.get("/login/openid")
    (key,) = [key async for key in console.redis.scan_iter(match="fraudstream:console:openid:*")]
    assert 0 < await console.redis.ttl(key) <= WAIT_S
    brought = provider.code_for(begun.headers["location"])
    secret = client.cookies["fraudstream-login"]
    assert (await client.get(CALLBACK, params=brought)).status_code == 303
    again = console.client()
    again.cookies.set("fraudstream-login", secret)
    assert (await again.get(CALLBACK, params=brought)).status_code == 403
    for parameters in ({}, {"state": "x", "code": "y"}, {"error": "access_denied", "state": brought["state"]}):
        assert (await again.get(CALLBACK, params=parameters)).status_code == 403


async def test_a_code_of_another_log_in_does_not_fit(openid: Console) -> None:
    """PKCE: who has read a code has not read the verifier."""
    console, provider = openid
    stolen = provider.code_for((await console.client().get("/login/openid")).headers["location"])["code"]
    client = console.client()
    mine = provider.code_for((await client.get("/login/openid")).headers["location"])
    assert (await client.get(CALLBACK, params=mine | {"code": stolen})).status_code == 502


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"groups": ["everybody"]}, "role"),
        ({"groups": None}, "role"),
        ({"groups": {"fraud-leads": True}}, "role"),
        ({"preferred_username": "root"}, "name"),  # a local user
        ({"preferred_username": "api:core"}, "name"),
        ({"preferred_username": "a\nb"}, "name"),
        ({"preferred_username": 7}, "name"),
    ],
)
async def test_who_has_no_role_or_anothers_name_is_refused(openid: Console, claims: dict[str, Any], code: str) -> None:
    console, provider = openid
    await console.add_user("root", "admin")
    provider.claims = claims
    assert (await back(openid, console.client())).status_code == 403
    assert refusals(openid) == [f"OpenID Connect: {code}"]
    assert (await log_in(console.client(), "root")).status_code == 303


async def test_another_subject_does_not_become_a_known_user(openid: Console) -> None:
    console, provider = openid
    await back(openid, console.client())
    provider.claims = {"sub": "subject-2"}
    assert (await back(openid, console.client())).status_code == 403


@pytest.mark.parametrize(
    "changed",
    [{"issuer": "https://evil.example"}, {"token_endpoint": "http://id.bank.example/token"}, {"jwks_uri": ISSUER}],
)
async def test_a_provider_that_is_not_what_was_named_is_refused(openid: Console, changed: dict[str, str]) -> None:
    console, provider = openid
    provider.discovery |= changed
    assert (await console.client().get("/login/openid")).status_code == 502


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "needs console.openid_client_id and console.public_url"),
        ({"openid_client_id": "c", "public_url": "http://console.bank.example"}, "must be https://"),
        ({"openid_client_id": "c", "public_url": "https://c.example"}, "nobody could log in"),
        ({"openid_client_id": "c", "public_url": "https://c.example", "openid_roles": "a=boss"}, "is not VALUE=ROLE"),
    ],
)
def test_settings_that_are_incomplete_or_unsafe_are_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Failure, match=sentence):
        ConsoleSettings(openid_issuer=ISSUER, **fields).server_settings()


def test_the_settings_name_roles_secret_and_address(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    settings = ConsoleSettings(
        openid_issuer=ISSUER,
        openid_client_id="console",
        openid_client_secret_file=str(tmp_path / "secret"),
        openid_roles="/fraud/a=b=analyst, leads = senior",
        public_url="https://console.bank.example/",
    )
    openid = settings.server_settings().openid
    assert openid is not None
    assert openid.redirect_uri == "https://console.bank.example/login/openid/callback"
    assert (openid.client_secret, dict(openid.roles)) == ("s3cret", {"/fraud/a=b": "analyst", "leads": "senior"})


async def test_a_log_out_ends_the_session_at_the_provider_too(openid: Console) -> None:
    console, provider = openid
    client = console.client()
    await back(openid, client)
    page = await post(client, "/logout")
    assert page.status_code == 200
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.text)
    assert found is not None
    url = urlsplit(html.unescape(found[1]))
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ISSUER}/logout"
    assert parse_qs(url.query) == {
        "client_id": ["console"],
        "post_logout_redirect_uri": ["http://console.test/login"],
        "id_token_hint": provider.tokens,
    }
    assert page.headers["cache-control"] == "no-store"  # the page has the token
    assert (await client.get("/")).headers["location"][:6] == "/login"
    assert not [key async for key in console.redis.scan_iter(match="fraudstream:console:session:*")]


async def test_a_log_out_ends_the_session_here_whatever_the_provider_is_like(openid: Console) -> None:
    console, provider = openid
    before = dict(provider.discovery)
    for discovery in ({"end_session_endpoint": None}, {"end_session_endpoint": "http://evil.example/"}, {"issuer": ""}):
        provider.discovery = dict(before)
        client = console.client()
        await back(openid, client)
        provider.discovery = {name: url for name, url in (before | discovery).items() if url is not None}
        assert console.openid is not None
        console.openid._provider._known = None  # as after ten minutes
        answer = await post(client, "/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert (await client.get("/")).status_code == 303
        console.openid._provider._known = None


async def test_a_local_user_logs_out_here_alone(openid: Console) -> None:
    client = await openid[0].logged_in("eve", "viewer")
    assert (await post(client, "/logout")).headers["location"] == "/login"
