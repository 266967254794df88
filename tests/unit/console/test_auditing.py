"""What the console writes to the audit log, and what it refuses when it cannot."""

from __future__ import annotations

import asyncio
import json
from typing import get_args

import pytest

from fraudstream.audit.recent_events import WITHIN_MS
from fraudstream.audit.writer import COMMAND_LINE, AuditUnavailableError
from fraudstream.console.access.login_limits import OF_NAME_AND_ADDRESS_MAX
from fraudstream.console.access.pending_events import PendingEvents
from fraudstream.console.access.users import User
from fraudstream.contracts import AuditEvent
from fraudstream.contracts.audit_record import AuditAction, AuditOutcome
from tests.unit.console.console_app import PASSWORD, AuditUnderTest, ConsoleUnderTest, case, log_in, post

CASE = "c" * 32
OF_CASE = f"case:{CASE}"


async def test_a_days_work_is_in_the_log(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    await client.get("/", params={"text": "acc-1"})
    await client.get(f"/cases/{CASE}")
    await post(client, f"/cases/{CASE}/claim")
    await post(client, f"/cases/{CASE}/claim")
    await post(client, "/logout")
    assert console.audit.of() == [
        ("ann", "log_in", "done", "user:ann", None),
        ("ann", "search", "done", "path:/", console.references.pseudonym("account", "acc-1")),
        ("ann", "view", "done", OF_CASE, None),
        ("ann", "act", "asked", OF_CASE, "claim"),
        ("ann", "act", "done", OF_CASE, "claim"),
        ("ann", "act", "asked", OF_CASE, "claim"),
        ("ann", "act", "refused", OF_CASE, "claim"),
        ("ann", "log_out", "done", "user:ann", None),
    ]
    asked, done = console.audit.events[3:5]
    assert asked.request_id == done.request_id
    assert (asked.address, asked.at_ms) == ("127.0.0.1", console.now_ms)


async def test_the_id_of_a_request_is_in_its_answer(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    answer = await client.get(f"/cases/{CASE}", headers={"x-request-id": "planted"})
    assert console.audit.events[-1].request_id == answer.headers["x-request-id"] != "planted"


async def test_log_ins_that_fail_and_lock_outs_are_in_the_log_once(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "analyst")
    client = console.client()
    for _ in range(OF_NAME_AND_ADDRESS_MAX + 2):
        await log_in(client, "ann", "wrong")
    assert console.audit.of() == [
        (None, "log_in", "failed", "user:ann", None),
        (None, "log_in", "locked", "user:ann", None),
    ]


async def test_refusals_are_in_the_log(console: ConsoleUnderTest) -> None:
    vic = await console.logged_in("vic", "viewer")
    await vic.get("/users")
    await vic.post("/logout", data={"csrf": "x"})
    await console.client().post("/logout", data={}, headers={"sec-fetch-site": "cross-site"})
    assert console.audit.of("refuse") == [
        ("vic", "refuse", "refused", "path:/users", "role viewer does not permit see_users"),
        ("vic", "refuse", "refused", "path:/logout", "the form has no token of this session"),
        (None, "refuse", "refused", "path:/logout", "a form of another site"),
    ]


async def test_passwords_and_ended_sessions_are_in_the_log(console: ConsoleUnderTest) -> None:
    adm = await console.logged_in("adm", "admin")
    new = "another long password"
    await post(adm, "/password", current="wrong", new=new, again=new)
    await post(adm, "/password", current=PASSWORD, new=new, again=new)
    await post(adm, "/users/end-sessions", name="adm")
    assert console.audit.of("change_password", "end_sessions") == [
        ("adm", "change_password", "failed", "user:adm", None),
        ("adm", "change_password", "done", "user:adm", None),
        ("adm", "end_sessions", "done", "user:adm", None),
    ]


async def test_a_page_that_refreshes_itself_is_viewed_once_in_a_while(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    for _ in range(3):
        await client.get(f"/cases/{CASE}", headers={"x-refresh": "1"})
    assert len(console.audit.of("view")) == 1
    console.now_ms += WITHIN_MS
    await client.get(f"/cases/{CASE}")
    await (await console.logged_in("bob", "analyst")).get(f"/cases/{CASE}")
    assert [actor for actor, *_ in console.audit.of("view")] == ["ann", "ann", "bob"]


@pytest.mark.parametrize(
    ("role", "path", "fields"),
    [("analyst", f"/cases/{CASE}/claim", {}), ("admin", "/users/end-sessions", {"name": "colleague"})],
)
async def test_what_cannot_be_audited_does_not_take_place(
    console: ConsoleUnderTest, role: str, path: str, fields: dict[str, str]
) -> None:
    await console.put(case(CASE))
    colleague = await console.logged_in("colleague", "viewer")
    client = await console.logged_in("ann", role)  # type: ignore[arg-type]
    console.audit.fails = True
    answer = await post(client, path, **fields)
    assert (answer.status_code, "The audit log cannot be written at this moment" in answer.text) == (503, True)
    assert console.published == []
    assert (await colleague.get("/")).status_code == 200
    assert "The audit log cannot be written. Actions are refused" in (await client.get("/")).text


async def test_without_room_in_memory_cases_and_searches_are_not_shown(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    console.audit.is_full = True
    for path in (f"/cases/{CASE}", "/?text=acc", f"/cases/{CASE}"):
        assert (await client.get(path)).status_code == 503
    assert (await client.get("/")).status_code == 200
    console.audit.is_full = False
    await client.get(f"/cases/{CASE}")
    assert len(console.audit.of("view")) == 1  # what had no room does not count as recorded


async def test_the_page_filters_and_pages(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("aud", "auditor")
    console.audit.events += [
        AuditEvent(1_772_625_600_000 + number, "view", "done", "192.0.2.7", f"user-{number % 2}", f"case:{number}")
        for number in range(120)
    ]
    page = (await client.get("/audit?actor=user-1")).text
    assert page.count("<bdi>user-1</bdi>") == 50
    assert "<bdi>user-0</bdi>" not in page
    assert "/audit?actor=user-1&amp;before=22" in page  # offsets of the log: 0 is the log-in
    older = (await client.get("/audit?actor=user-1&before=22")).text
    assert older.count("<bdi>user-1</bdi>") == 10
    assert "Older" not in older
    assert 'href="/cases/7"' in (await client.get("/audit?object=case:7")).text
    assert "No event matches." in (await client.get("/audit?since=2027-01-01&action=view")).text
    for before in ("-1", "x", "9" * 5_000):
        assert (await client.get("/audit", params={"since": "yesterday", "before": before})).status_code == 200


async def test_the_export_is_in_the_log_before_it_begins(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("aud", "auditor")
    console.audit.fails = True
    assert (await client.get("/audit/export")).status_code == 503
    console.audit.fails = False
    answer = await client.get("/audit/export?actor=aud")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'
    lines = [json.loads(line)["event"]["action"] for line in answer.text.splitlines()]
    assert lines == ["log_in", "export"]


async def test_every_event_has_its_words(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("aud", "auditor")
    console.audit.events += [
        AuditEvent(0, action, outcome, "x") for action in get_args(AuditAction) for outcome in get_args(AuditOutcome)
    ]
    for language in ("en", "zh"):
        assert (await client.get("/audit?since=1970-01-01", headers={"accept-language": language})).status_code == 200


async def test_changes_of_users_by_commands_reach_the_log(console: ConsoleUnderTest) -> None:
    event = AuditEvent(7, "change_user", "done", COMMAND_LINE, "root", "user:ann", "added as analyst")
    await console.add_user("ann", "analyst")
    user = await console.users.find("ann")
    assert user is not None
    assert not await console.users.add(user, event)  # no change, no event
    await console.users.put(user, event)
    await console.users.remove("ann", event)
    pending = PendingEvents(console.redis, console.audit)
    assert [await pending.write_next(), await pending.write_next()] == [2, 0]
    assert console.audit.events == [event, event]


async def test_two_consoles_lose_no_change_of_a_command(console: ConsoleUnderTest) -> None:
    """Both have read the list, both write its first event, and then the log fails."""
    first, second = (
        AuditEvent(number, "change_user", "done", COMMAND_LINE, "root", f"user:{number}") for number in range(2)
    )
    for event in (first, second):
        await console.users.put(User("ann", "viewer", ""), event)
    both_have_read = asyncio.Barrier(2)

    class FailingAudit(AuditUnderTest):
        async def record(self, event: AuditEvent) -> None:
            if event == second:
                raise AuditUnavailableError
            await both_have_read.wait()

    consoles = [PendingEvents(console.redis, FailingAudit()) for _ in range(2)]
    failed = await asyncio.gather(*(each.write_next() for each in consoles), return_exceptions=True)
    assert [type(each) for each in failed] == [AuditUnavailableError] * 2
    await PendingEvents(console.redis, console.audit).write_next()
    assert console.audit.events == [second]


async def test_the_page_finds_an_account_by_its_id_though_the_log_has_its_pseudonym(console: ConsoleUnderTest) -> None:
    analyst = await console.logged_in("ann", "analyst")
    await analyst.get(f"/history/account/{console.references.reference('account', 'acc-1')}")
    pseudonym = console.references.pseudonym("account", "acc-1")
    assert ("ann", "view", "done", f"account:{pseudonym}", None) in console.audit.of("view")
    auditor = await console.logged_in("bob", "auditor")
    for name in ("acc-1", "account:acc-1", f"account:{pseudonym}"):
        page = (await auditor.get("/audit", params={"object": name})).text
        assert page.count("<bdi>ann</bdi>") == 1, name
        assert f"account:{pseudonym}" in page
    assert "<bdi>ann</bdi>" not in (await auditor.get("/audit", params={"object": "acc-2"})).text
    assert not any("acc-1" in f"{event.object} {event.detail}" for event in console.audit.events)
