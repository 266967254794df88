"""The API for programs: tokens and scopes, cases with ETags, actions that count once, problems."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import httpx
import pytest

from fraudstream.console.access.tokens import SCOPES, Scope, new_token
from fraudstream.console.web.api.app import ROUTERS
from fraudstream.console.web.api.openapi import description
from fraudstream.console.web.api.requests import BYTES_MAX
from fraudstream.contracts import AuditEvent
from tests.unit.cases.events import alert
from tests.unit.console.case_alerts import CASE, put
from tests.unit.console.console_app import ConsoleUnderTest, case

API = "/api/v1"
ACTIONS = f"{API}/cases/{CASE}/actions"
NEEDS: dict[tuple[str, str], Scope] = {
    ("GET", "/cases"): "cases:read",
    ("GET", "/cases/{case_id}"): "cases:read",
    ("POST", "/cases/{case_id}/actions"): "cases:act",
    ("POST", "/cases/{case_id}/files"): "cases:act",
    ("GET", "/cases/{case_id}/files/{sha256}"): "cases:read",
    ("GET", "/cases/{case_id}/report"): "cases:export",
    ("GET", "/audit"): "audit:read",
    ("GET", "/users"): "users:read",
}


async def act(client: httpx.AsyncClient, key: str, path: str = ACTIONS, **sent: Any) -> httpx.Response:
    headers = {"idempotency-key": key} | sent.pop("headers", {})
    return await client.post(path, json=sent, headers=headers)


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:fraudstream:problem:{body['code']}"
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["detail"][-1] in ".…"
    return answer.status_code, body["code"]


def test_every_route_is_described_and_has_a_scope() -> None:
    routes = {(method, route.path) for router in ROUTERS for route in router.routes for method in route.methods}  # type: ignore[attr-defined]
    described = {(method.upper(), path) for path, each in description()["paths"].items() for method in each}
    assert routes == described == {*NEEDS, ("GET", "/openapi.json")}


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_token_permits_its_scope_alone(console: ConsoleUnderTest, scope: Scope) -> None:
    await console.put(case(CASE))
    client = await console.program(scope)
    for (method, path), needed in NEEDS.items():
        answer = await client.request(method, API + path.format(case_id=CASE, sha256="f" * 64))
        if scope == needed and "files" in path:  # without a name; without identifiers:read
            assert problem_of(answer) in ((400, "invalid"), (403, "scope"))
        elif scope == needed:
            assert answer.status_code in (200, 415)
        else:
            assert problem_of(answer) == (403, "scope")
    refusals = console.audit.of("refuse")
    assert {actor for actor, *_ in refusals} == {"api:core"}
    assert len(refusals) == sum(scope != needed for needed in NEEDS.values())


@pytest.mark.parametrize("text", [None, "Basic YTpi", "Bearer ", "Bearer fst_x", "Bearer fst_0123456789ab_" + "x" * 43])
async def test_without_a_valid_token_nothing_is_told(console: ConsoleUnderTest, text: str | None) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "admin")  # a session is no token
    for method, path in NEEDS:
        headers = {} if text is None else {"authorization": text}
        answer = await client.request(method, API + path.format(case_id=CASE, sha256="f" * 64), headers=headers)
        assert problem_of(answer) == (401, "token")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert (await client.get(f"{API}/openapi.json")).json()["openapi"] == "3.1.0"


async def test_a_revoked_or_expired_token_is_worth_nothing(console: ConsoleUnderTest) -> None:
    expiring = await console.program("cases:read", lives_ms=1_000)
    revoked = await console.program("cases:read")
    assert (await expiring.get(f"{API}/cases")).status_code == (await revoked.get(f"{API}/cases")).status_code == 200
    token_id = revoked.headers["authorization"].split("_")[1]
    event = AuditEvent(0, "change_token", "done", "command line")
    assert await console.tokens.revoke(token_id, event)
    assert not await console.tokens.revoke(token_id, event)
    console.now_ms += 1_000
    for client in (expiring, revoked):
        assert problem_of(await client.get(f"{API}/cases")) == (401, "token")
    assert console.audit.of("refuse")[0][4] == "the token is unknown, revoked or expired"


async def test_redis_has_the_digest_of_a_token_alone(console: ConsoleUnderTest) -> None:
    made = new_token("core", ("cases:read",), 0, 1)
    await console.tokens.put(made.token, AuditEvent(0, "change_token", "done", "command line"))
    (kept,) = (await console.redis.hgetall("fraudstream:console:tokens")).values()
    secret = made.text.split("_", 2)[2]
    assert secret not in kept
    assert hashlib.sha256(secret.encode()).hexdigest() in kept


async def test_a_token_may_make_so_many_requests_a_minute(redis_url: str) -> None:
    console = ConsoleUnderTest(redis_url, "cases-of-limits:", api_requests_per_minute=3)
    try:
        client, other = await console.program("cases:read"), await console.program("cases:read")
        answers = [await client.get(f"{API}/cases") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert problem_of(answers[3]) == (429, "too_many_requests")
        assert 0 < int(answers[3].headers["retry-after"]) <= 60
        assert (await other.get(f"{API}/cases")).status_code == 200
    finally:
        await console.close()


async def test_the_queue_is_paged_filtered_and_masked(console: ConsoleUnderTest) -> None:
    await console.put(*(case(f"{number:032x}", account_id=f"account-{number:04}") for number in range(120)))
    await console.put(case("f" * 32, severity="low"))
    client, whole = await console.program("cases:read"), await console.program("cases:read", "identifiers:read")
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (await client.get(f"{API}/cases", params={"severity": "high"} | after)).json()
        assert page["total"] == 120
        found += [row["case_id"] for row in page["cases"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == [f"{number:032x}" for number in range(120)]
    first = (await client.get(f"{API}/cases")).json()["cases"][0]
    assert (first["account_id"], first["version"]) == ("••••0000", 1)
    assert (await whole.get(f"{API}/cases")).json()["cases"][0]["account_id"] == "account-0000"
    for text, totals in (("account-0007", (1, 1)), ("account-000", (0, 10))):
        assert [(await each.get(f"{API}/cases?text={text}")).json()["total"] for each in (client, whole)] == [*totals]
    assert ("api:core", "search", "done", "path:/api/v1/cases", "account-0007") in console.audit.of("search")


@pytest.mark.parametrize(
    "query", ["status=none", "order=x", "colour=red", "after=x", "text=", "text=a&text=b", "text=%00", "severity=High"]
)
async def test_a_parameter_that_is_not_understood_is_refused(console: ConsoleUnderTest, query: str) -> None:
    assert problem_of(await (await console.program("cases:read")).get(f"{API}/cases?{query}")) == (400, "invalid")


async def test_a_case_has_its_version_as_etag(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"), account_id="account-1001")
    client = await console.program("cases:read")
    answer = await client.get(f"{API}/cases/{CASE}")
    assert (answer.headers["etag"], answer.json()["account_id"]) == ('"1"', "••••1001")
    assert answer.headers["cache-control"] == "no-store"
    for known, status in (('"1"', 304), ('W/"1"', 304), ('"0", "1"', 304), ('"0"', 200)):
        again = await client.get(f"{API}/cases/{CASE}", headers={"if-none-match": known})
        assert (again.status_code, again.headers["etag"]) == (status, '"1"')
    assert problem_of(await client.get(f"{API}/cases/none")) == (404, "no_case")
    assert console.audit.of("view") == [("api:core", "view", "done", f"case:{CASE}", None)]
    assert console.audit.events[-1].token == client.headers["authorization"].split("_")[1]


async def test_an_action_counts_once(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act")
    first = await act(client, "k1", action="claim")
    assert (first.status_code, first.json()["version"], first.headers["etag"]) == (200, 2, '"2"')
    again = await act(client, "k1", action="claim")
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, first.json(), '"2"')
    assert again.headers["idempotent-replay"] == "true"
    assert problem_of(await act(client, "k1", action="release")) == (422, "idempotency_key_reused")
    assert [(each.action, each.actor, each.action_id) for each in console.published] == [
        ("claim", "api:core", first.json()["action_id"])
    ]
    other = await console.program("cases:act")  # another token: another key, though the text is the same
    assert problem_of(await act(other, "k1", action="claim")) == (409, "already_assigned")


async def test_a_refusal_is_repeated_as_it_was(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act")
    refused = await act(client, "k1", action="reopen")
    assert problem_of(refused) == (409, "not_closed")
    again = await act(client, "k1", action="reopen")
    assert (again.status_code, again.json()) == (409, refused.json())
    assert again.headers["content-type"] == "application/problem+json"
    assert len(console.published) == 1
    assert console.audit.of("act") == [
        ("api:core", "act", "asked", f"case:{CASE}", "reopen"),
        ("api:core", "act", "refused", f"case:{CASE}", "reopen"),
    ]


async def test_an_action_on_a_case_that_has_changed_is_refused(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act")
    assert (await act(client, "k1", action="claim", headers={"if-match": '"1"'})).status_code == 200
    stale = await act(client, "k2", action="release", headers={"if-match": '"1"'})
    assert problem_of(stale) == (412, "changed")
    assert (await act(client, "k3", action="release", headers={"if-match": '"2"'})).json()["version"] == 3
    assert (await act(client, "k4", action="claim", headers={"if-match": "*"})).status_code == 200


async def test_an_action_that_cannot_be_audited_may_be_sent_again(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act")
    console.audit.fails = True
    assert problem_of(await act(client, "k1", action="claim")) == (503, "audit")
    assert console.published == []
    console.audit.fails = False
    assert (await act(client, "k1", action="claim")).status_code == 200


async def test_the_same_action_at_the_same_time_counts_once(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act")
    answers = await asyncio.gather(*(act(client, "k1", action="claim") for _ in range(5)))
    assert sorted({answer.status_code for answer in answers}) in ([200], [200, 409])
    assert len({each.action_id for each in console.published}) == 1


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (b"{", "application/json", (400, "invalid")),
        (b'{"action":"delete"}', "application/json", (400, "invalid")),
        (b'{"action":"close"}', "application/json", (400, "invalid")),
        (b'{"action":"claim","extra":1}', "application/json", (400, "invalid")),
        (b'{"action":"\xff"}', "application/json", (400, "invalid")),
        (b'{"action":"note","note":"' + b"x" * BYTES_MAX + b'"}', "application/json", (413, "too_large")),
        (b"action=claim", "application/x-www-form-urlencoded", (415, "media_type")),
    ],
)
async def test_a_body_that_cannot_be_used_changes_nothing(
    console: ConsoleUnderTest, content: bytes, media_type: str, expected: tuple[int, str]
) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act")
    headers = {"content-type": media_type, "idempotency-key": "k1"}
    assert problem_of(await client.post(ACTIONS, content=content, headers=headers)) == expected
    assert console.published == []


@pytest.mark.parametrize("action", ["approve", "reject"])
async def test_a_program_approves_no_closing(console: ConsoleUnderTest, action: str) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act")
    assert problem_of(await act(client, "k1", action=action)) == (403, "approval")
    assert console.published == []


async def test_an_action_needs_a_key(console: ConsoleUnderTest) -> None:
    client = await console.program("cases:act")
    for key in ("", "x" * 101):
        assert problem_of(await act(client, key, action="claim")) == (400, "idempotency_key")


async def test_audit_and_users_are_read_with_their_scopes(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "analyst")
    client = await console.program("audit:read", "users:read")
    assert (await client.get(f"{API}/users")).json() == {"users": [{"name": "ann", "role": "analyst", "sessions": 0}]}
    console.audit.events += [AuditEvent(number, "log_out", "done", "x", "bob") for number in range(300)]
    page = (await client.get(f"{API}/audit?actor=bob")).json()
    assert (len(page["events"]), page["events"][0]["event"]["at_ms"]) == (200, 299)
    older = (await client.get(f"{API}/audit", params={"actor": "bob", "before": page["next"]})).json()
    assert (len(older["events"]), older["next"]) == (100, None)
    for query in ("before=x", "since=yesterday", "action=none"):
        assert problem_of(await client.get(f"{API}/audit?{query}")) == (400, "invalid")


async def test_unknown_paths_and_methods_are_problems(console: ConsoleUnderTest) -> None:
    client = await console.program("cases:read")
    assert problem_of(await client.get(f"{API}/nowhere")) == (404, "not_found")
    assert problem_of(await client.put(f"{API}/cases")) == (405, "method_not_allowed")
