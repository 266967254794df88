"""Attacks on the console, tried: what each of them gets. test_login tries log-ins and forms, test_pages texts."""

from __future__ import annotations

import gzip
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from fraudstream.console.web.security_headers import CONTENT_POLICY
from fraudstream.contracts import AuditEvent
from tests.unit.cases.events import alert
from tests.unit.console.case_alerts import CASE, put
from tests.unit.console.console_app import ConsoleUnderTest, case, log_in, post, token_of

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"
SPLIT = "x\r\nset-cookie: planted=1\r\n\r\n<script>"


def broken(console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the queue and cases raise an error that nobody foresaw."""

    def fail(*_args: Any) -> None:
        raise ZeroDivisionError("secret of the traceback")

    monkeypatch.setattr(console.desk, "queue", fail)
    monkeypatch.setattr(console.desk, "open_case", fail)


@pytest.mark.parametrize("path", ["/", f"/cases/{CASE}", "/api/v1/cases", f"/api/v1/cases/{CASE}"])
async def test_an_unforeseen_error_has_the_headers_and_tells_nothing(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    client = await console.program("cases:read") if "/api/" in path else await console.logged_in("ann", "analyst")
    broken(console, monkeypatch)
    answer = await client.get(path)
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"] in answer.text
    assert "secret of the traceback" not in answer.text
    assert "/api/" in path or "<nav aria-label=" in answer.text
    assert [record.__dict__["request"] for record in caplog.records if record.message == "an unforeseen error"] == [
        answer.headers["x-request-id"]
    ]


@pytest.mark.parametrize("path", ["/api/v1/cases", "/api/v1/openapi.json", "/api/nowhere", "/audit", "/audit/export"])
async def test_answers_of_all_kinds_have_the_headers(console: ConsoleUnderTest, path: str) -> None:
    answer = await (await console.logged_in("aud", "auditor")).get(path)
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]


async def test_a_session_is_worth_nothing_after_its_log_out(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    page = (await client.get("/")).text
    stolen = console.client()
    stolen.cookies.update(client.cookies)
    await client.post("/logout", data={"csrf": token_of(page)})
    assert (await stolen.get("/")).status_code == 303
    replayed = await stolen.post(f"/cases/{CASE}/claim", data={"csrf": token_of(page)})
    assert (replayed.status_code, console.published) == (401, [])


async def test_a_form_cannot_be_sent_with_the_token_of_a_colleague(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    ann, bob = await console.logged_in("ann", "analyst"), await console.logged_in("bob", "analyst")
    token = token_of((await bob.get("/")).text)
    for path in (f"/cases/{CASE}/claim", f"/cases/{CASE}/unmask", "/logout", "/password"):
        assert (await ann.post(path, data={"csrf": token, "reason": "x"})).status_code == 403
    assert console.published == []


async def test_a_page_of_another_site_cannot_use_the_api_with_a_session(console: ConsoleUnderTest) -> None:
    """Nothing but the header of a token counts there, and no other site may read an answer."""
    await console.put(case(CASE))
    client = await console.logged_in("adm", "admin")
    answer = await client.post(
        f"/api/v1/cases/{CASE}/actions",
        json={"action": "claim"},
        headers={"idempotency-key": "k", "origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    )
    assert (answer.status_code, console.published) == (403, [])
    asked = await client.options("/api/v1/cases", headers={"origin": "https://evil.example"})
    assert not [name for name in asked.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path",
    [
        "/cases/..%2f..%2fusers",
        "/cases/%2e%2e/users",
        "/static/..%2f..%2fserver.py",
        "/static/%2e%2e/%2e%2e/server.py",
        "/cases/%0d%0aset-cookie:%20planted=1",
        "/cases/*",
        "/cases/fraudstream:console:users",
        "/cases/%00",
        "/cases/" + "c" * 31 + "*",
        "/cases/" + "%F0%9F%92%A3" * 200,
    ],
)
async def test_a_path_leads_nowhere_else(console: ConsoleUnderTest, path: str) -> None:
    await console.put(case(CASE))
    answer = await (await console.logged_in("ann", "analyst")).get(path)
    assert answer.status_code in (404, 405)
    assert "set-cookie" not in answer.headers
    assert "import" not in answer.text


@pytest.mark.parametrize("field", ["name", "next", "password"])
async def test_no_field_of_the_log_in_reaches_a_header(console: ConsoleUnderTest, field: str) -> None:
    await console.add_user("ann", "analyst")
    client = console.client()
    form = await client.get("/login")
    data = {"csrf": token_of(form.text), "name": "ann", "password": "wrong"} | {field: SPLIT}
    answer = await client.post("/login", data=data)
    assert not [value for name, value in answer.headers.multi_items() if "planted" in value]
    assert "<script>" not in answer.text.partition("<body>")[2]


@pytest.mark.parametrize("name", ["language", "theme", "fraudstream-session", "fraudstream-login"])
async def test_a_hostile_cookie_is_not_shown(console: ConsoleUnderTest, name: str) -> None:
    client = console.client()
    answer = await client.get("/login", headers={"cookie": f"{name}=%22%3E<script>alert(1)</script>"})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text


async def test_hostile_texts_of_the_audit_log_are_shown_as_text(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("aud", "auditor")
    console.audit.events.append(
        AuditEvent(7, "refuse", "refused", HOSTILE, HOSTILE, f"case:{HOSTILE}", HOSTILE, HOSTILE, HOSTILE)
    )
    page = (await client.get("/audit", params={"actor": HOSTILE})).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\u202e" not in page.partition('<div class="rows')[2]
    exported = await client.get("/audit/export")
    assert exported.headers["content-type"].startswith("application/jsonl")  # no browser runs it: nosniff


async def test_identifiers_that_one_session_has_revealed_stay_masked_in_another(console: ConsoleUnderTest) -> None:
    each = alert("a1", "account-of-erika-1001")
    await put(console, replace(each, account_id="account-of-erika-1001"), account_id="account-of-erika-1001")
    ann, bob = await console.logged_in("ann", "analyst"), await console.logged_in("bob", "analyst")
    await post(ann, f"/cases/{CASE}/unmask", reason="called")
    assert "account-of-erika-1001" in (await ann.get(f"/cases/{CASE}")).text
    for client in (bob, await console.program("cases:read")):
        for path in (f"/cases/{CASE}", f"/api/v1/cases/{CASE}", "/", "/api/v1/cases"):
            assert "account-of-erika-1001" not in (await client.get(path)).text


@pytest.mark.parametrize("path", ["/login", "/logout", "/password", f"/cases/{CASE}/unmask", "/users/end-sessions"])
async def test_a_body_that_is_too_large_is_refused_everywhere(console: ConsoleUnderTest, path: str) -> None:
    client = await console.logged_in("adm", "admin")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await client.post(path, content=b"a=" + b"x" * 1_000_000, headers=headers)).status_code == 413
    assert (await client.post(path, content=gzip.compress(b"csrf=x"), headers=headers)).status_code in (400, 403)


async def test_the_length_of_a_page_tells_nothing_about_the_token(console: ConsoleUnderTest) -> None:
    """BREACH: what is guessed stands beside the secret, and a right guess compresses better. The token is masked anew
    in every answer, so the answer does not hold what could be guessed."""
    client = await console.logged_in("ann", "analyst")
    seen = {token_of((await client.get("/", params={"text": "x"})).text) for _ in range(20)}
    assert len(seen) == 20
    first = sorted(seen)[0]
    assert all(first[:8] not in other for other in seen - {first})


async def test_a_session_of_before_the_log_in_is_replaced(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "analyst")
    client = console.client()
    await log_in(client, "ann")
    first = client.cookies["fraudstream-session"]
    form = await console.client().get("/login")
    assert "fraudstream-session" not in form.headers.get("set-cookie", "")
    await post(client, "/logout")
    await log_in(client, "ann")
    assert client.cookies["fraudstream-session"] != first


async def test_a_method_that_there_is_not_is_refused(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("adm", "admin")
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        answer: httpx.Response = await client.request(method, "/users")
        assert answer.status_code == 405
