"""Who may ask: API keys of which the gateway knows the digest, certificates, tokens of a provider; and how often."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fraudstream.gateway.access import authentication
from fraudstream.gateway.access.bearer_tokens import BearerTokens, ProviderSettings
from fraudstream.gateway.access.clients import ClientsError, key_digest, new_key, read_clients
from fraudstream.gateway.web.connection import subject_of
from tests.unit.gateway.gateway_under_test import PAYMENT, GatewayUnderTest

ISSUER, AUDIENCE = "https://id.bank.example", "fraud-gateway"
PROVIDER = ProviderSettings(issuer=ISSUER, audience=AUDIENCE, keys_url=f"{ISSUER}/certs")
KEY = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
ENDS, ENDED = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


def clients_file(directory: Path, *entries: str) -> Path:
    path = directory / "clients.yaml"
    path.write_text("clients:\n" + "".join(entries))
    return path


def entry(name: str, *keys: str, scopes: str = "decide, read", ends: str = ENDS, more: str = "") -> str:
    listed = ", ".join(f"{{sha256: {key_digest(key)}, expires_at: {ends}}}" for key in keys)
    return f"  - name: {name}\n    scopes: [{scopes}]\n    api_keys: [{listed}]\n{more}"


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


async def test_an_api_key_opens_the_gateway_and_nothing_else_does(tmp_path: Path) -> None:
    key, ended, other = new_key(), new_key(), new_key()
    path = clients_file(tmp_path, entry("checkout", key), entry("former", ended, ends=ENDED))
    assert key not in path.read_text()
    async with GatewayUnderTest(clients=path) as gateway:
        assert (await gateway.post(PAYMENT, bearer(key))).status_code == 200
        assert (await gateway.post(PAYMENT, {"x-api-key": key})).status_code == 200
        for text in (other, ended, "", key_digest(key), key[:-1], "fsg_", "é", "x" * 9_000):
            answer = await gateway.post(PAYMENT, bearer(text))
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.json()["code"] == "not_authenticated"
        assert (await gateway.post(PAYMENT)).status_code == 401
        assert (await gateway.client.get("/readyz")).status_code == 200
        assert (await gateway.client.get("/openapi.json")).status_code == 200
    assert len(gateway.topic.published) == 2


async def test_a_client_does_what_its_scopes_say_and_sees_its_own_payments_alone(tmp_path: Path) -> None:
    decides, reads, other = new_key(), new_key(), new_key()
    path = clients_file(
        tmp_path,
        entry("decides", decides, scopes="decide"),
        entry("reads", reads, scopes="read"),
        entry("other", other),
    )
    async with GatewayUnderTest(clients=path) as gateway:
        assert (await gateway.post(PAYMENT, bearer(decides))).status_code == 200
        refused = await gateway.get("p-1", bearer(decides))
        assert (refused.status_code, refused.json()["detail"]) == (403, "The client decides lacks the scope read.")
        assert (await gateway.post(PAYMENT, bearer(reads))).status_code == 403
        assert (await gateway.get("p-1", bearer(reads))).status_code == 404
        assert (await gateway.post(PAYMENT | {"event_id": "p-2"}, bearer(other))).status_code == 200
        assert (await gateway.get("p-2", bearer(other))).status_code == 200
        assert (await gateway.get("p-1", bearer(other))).status_code == 404


async def test_a_key_is_replaced_while_the_gateway_runs_and_a_broken_file_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "CHECK_S", 0.01)
    old, new = new_key(), new_key()
    path = clients_file(tmp_path, entry("checkout", old))
    async with GatewayUnderTest(clients=path) as gateway:
        following = asyncio.create_task(gateway.authentication.follow_file())

        async def until(key: str, status: int) -> None:
            async with asyncio.timeout(10):
                while (await gateway.post(PAYMENT, bearer(key))).status_code != status:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

        await until(new, 401)
        clients_file(tmp_path, entry("checkout", old, new))
        await until(new, 200)
        await until(old, 200)
        clients_file(tmp_path, "  - 7\n")
        await asyncio.sleep(0.1)
        await until(old, 200)
        clients_file(tmp_path, entry("checkout", new))
        await until(old, 401)
        os.remove(path)
        await asyncio.sleep(0.1)
        await until(new, 200)
        following.cancel()


async def test_a_client_that_sends_too_much_waits_and_the_others_do_not(tmp_path: Path) -> None:
    fast, slow = new_key(), new_key()
    limit = "    payments_per_second: 5\n"
    path = clients_file(tmp_path, entry("slow", slow, more=limit), entry("fast", fast))
    async with GatewayUnderTest(clients=path) as gateway:
        answer = await gateway.post([PAYMENT] * 10, bearer(slow))
        assert answer.status_code == 200
        limited = await gateway.post(PAYMENT, bearer(slow))
        assert (limited.status_code, limited.json()["code"], limited.headers["retry-after"]) == (429, "rate", "1")
        assert (await gateway.post(PAYMENT, bearer(fast))).status_code == 200
        gateway.now_s = 1.0
        assert (await gateway.post([PAYMENT] * 5, bearer(slow))).status_code == 200
        assert (await gateway.post(PAYMENT, bearer(slow))).status_code == 429
        gateway.now_s = 1_000.0
        assert (await gateway.post([PAYMENT] * 40, bearer(slow))).status_code == 200  # a batch above a burst, once
        debt = await gateway.post(PAYMENT, bearer(slow))
        assert (debt.status_code, debt.headers["retry-after"]) == (429, "7")
    assert gateway.observer.turned_away == [("slow", "rate")] * 3


async def test_the_subject_of_a_certificate_names_its_client(tmp_path: Path) -> None:
    path = clients_file(tmp_path, entry("checkout", more='    certificates: ["O=Example Bank,CN=checkout"]\n'))
    for subject, status in (("O=Example Bank,CN=checkout", 200), ("CN=checkout", 401), (None, 401)):
        async with GatewayUnderTest(clients=path, certificate=subject) as gateway:
            assert (await gateway.post(PAYMENT)).status_code == status


def test_a_subject_has_its_names_in_the_order_of_the_certificate() -> None:
    names = ((("countryName", "DE"),), (("commonName", "checkout"), ("serialNumber", "7")))
    assert subject_of({"subject": names}) == "C=DE,CN=checkout,serialNumber=7"
    assert subject_of({}) == ""


class Provider:
    """Its keys, how often they were asked for, and whether it answers."""

    def __init__(self) -> None:
        self.keys: list[RSAKey | ECKey] = [KEY]
        self.asked = 0
        self.is_away = False
        self.now_s = time.time()

    async def fetch(self, url: str, form: Mapping[str, str] | None) -> bytes:
        assert (url, form) == (f"{ISSUER}/certs", None)
        self.asked += 1
        if self.is_away:
            raise OSError("no route")
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()

    def token(self, key: RSAKey | ECKey = KEY, algorithm: str = "RS256", **claims: Any) -> str:
        ordinary = {"iss": ISSUER, "aud": AUDIENCE, "sub": "checkout-service", "exp": self.now_s + 300}
        given = {name: value for name, value in (ordinary | claims).items() if value is not None}
        return jwt.encode({"alg": algorithm, "kid": key.kid}, given, key)


async def with_provider(tmp_path: Path, provider: Provider) -> GatewayUnderTest:
    path = clients_file(tmp_path, entry("checkout", more="    subjects: [checkout-service]\n"))
    return GatewayUnderTest(clients=path, tokens=BearerTokens(PROVIDER, provider.fetch, lambda: provider.now_s))


async def test_a_token_of_the_provider_names_its_client(tmp_path: Path) -> None:
    provider = Provider()
    async with await with_provider(tmp_path, provider) as gateway:
        for _ in range(3):
            assert (await gateway.post(PAYMENT, bearer(provider.token()))).status_code == 200
        assert (await gateway.post(PAYMENT, bearer(provider.token(aud=["other", AUDIENCE])))).status_code == 200
    assert provider.asked == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "other"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "2099"},
        {"nbf": 99_999_999_999},
        {"sub": None},
        {"sub": "unknown-service"},
        {"sub": 7},
    ],
    ids=str,
)
async def test_a_token_with_other_claims_opens_nothing(tmp_path: Path, claims: dict[str, Any]) -> None:
    provider = Provider()
    async with await with_provider(tmp_path, provider) as gateway:
        answer = await gateway.post(PAYMENT, bearer(provider.token(**claims)))
        assert answer.status_code == 401


async def test_a_forged_token_opens_nothing(tmp_path: Path) -> None:
    provider = Provider()
    stranger = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
    head, body, signature = provider.token().split(".")
    unsigned = f"eyJhbGciOiJub25lIn0.{body}."
    async with await with_provider(tmp_path, provider) as gateway:
        for text in (
            provider.token(stranger),
            unsigned,
            f"{head}.{body}.",
            f"{head}.{body}.{signature[::-1]}",
            "a.b.c",
            "x" * 9_000,
        ):
            assert (await gateway.post(PAYMENT, bearer(text))).status_code == 401
    assert provider.asked == 1  # however many fail


async def test_new_keys_of_the_provider_are_found_and_an_outage_of_it_is_no_refusal(tmp_path: Path) -> None:
    provider = Provider()
    new = ECKey.generate_key("P-256", {"kid": "two"}, private=True)
    async with await with_provider(tmp_path, provider) as gateway:
        assert (await gateway.post(PAYMENT, bearer(provider.token()))).status_code == 200
        provider.keys.append(new)
        assert (await gateway.post(PAYMENT, bearer(provider.token(new, "ES256")))).status_code == 401
        provider.now_s += 31
        assert (await gateway.post(PAYMENT, bearer(provider.token(new, "ES256")))).status_code == 200
        provider.is_away = True
        provider.now_s += 3_600
        assert (await gateway.post(PAYMENT, bearer(provider.token()))).status_code == 200
    async with await with_provider(tmp_path, provider) as gateway:
        answer = await gateway.post(PAYMENT, bearer(provider.token()))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "clients: 7",
        "clients: [{name: a}]",
        "clients: [{name: a, scopes: [write]}]",
        "clients: [{name: a, scopes: [], api_keys: [{sha256: abc, expires_at: 2099-01-01T00:00:00Z}]}]",
        "clients: [{name: a b, scopes: []}]",
        "clients: [{name: a, scopes: []}, {name: a, scopes: []}]",
        "clients: [{name: a, scopes: [], subjects: [s]}, {name: b, scopes: [], subjects: [s]}]",
        "clients: [{name: a, scopes: [], unknown: 1}]",
        "clients: [",
    ],
)
def test_a_file_of_clients_that_cannot_be_used_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ClientsError, match=r"clients\.yaml"):
        read_clients(text, "clients.yaml")
