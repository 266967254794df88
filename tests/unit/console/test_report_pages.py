"""The report of a case through the console and its API: who gets it, masked how, and what the audit log has of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace
from pypdf import PdfReader

from fraudstream.console.access.roles import PERMISSIONS, ROLES, Role
from fraudstream.console.access.teams import Team
from fraudstream.console.past import PastDesk
from fraudstream.history.reader import HistoryReader
from tests.unit.cases.events import alert
from tests.unit.console.case_alerts import CASE, put
from tests.unit.console.console_app import ConsoleUnderTest, case, post
from tests.unit.console.revealing_alert import SECRETS, revealing
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import T0, payment

PATH = f"/cases/{CASE}/report"
ACCOUNT = SECRETS["account_id"]


@pytest.fixture
async def store(console: ConsoleUnderTest, tmp_path: Path) -> AsyncIterator[Path]:
    reader = HistoryReader(tmp_path)
    desk = PastDesk(reader)
    console.use_past(desk)
    yield tmp_path
    await desk.close()
    reader.close()


async def put_case(console: ConsoleUnderTest) -> None:
    await put(console, replace(revealing(SECRETS["device_id"]), alert_id="a1"), account_id=ACCOUNT)


def digest_of(answer: httpx.Response) -> str:
    return hashlib.sha256(answer.content).hexdigest()


@pytest.mark.parametrize("kind", ["pdf", "json"])
async def test_what_leaves_is_in_the_audit_log_with_its_digest(console: ConsoleUnderTest, kind: str) -> None:
    await put_case(console)
    client = await console.logged_in("ann", "analyst")
    answer = await client.get(PATH, params={"format": kind})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="case-{CASE}.{kind}"'
    detail = f"{kind}, identifiers masked, sha256:{digest_of(answer)}"
    assert console.audit.of("export") == [("ann", "export", "done", f"case:{CASE}", detail)]


@pytest.mark.parametrize("kind", ["pdf", "json"])
async def test_nothing_leaves_without_the_audit_log(console: ConsoleUnderTest, kind: str) -> None:
    await put_case(console)
    client = await console.logged_in("ann", "analyst")
    program = await console.program("cases:export")
    console.audit.fails = True
    answers = [
        await client.get(PATH, params={"format": kind}),
        await program.get(f"/api/v1{PATH}", params={"format": kind}),
    ]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert not any(b"%PDF" in answer.content or b"narrative" in answer.content for answer in answers)


@pytest.mark.parametrize("role", [role for role in ROLES if "export_cases" in PERMISSIONS[role]])
async def test_identifiers_are_shown_to_those_alone_who_may_see_them(console: ConsoleUnderTest, role: Role) -> None:
    await put_case(console)
    client = await console.logged_in("ann", role)
    report = (await client.get(PATH, params={"format": "json"})).json()
    may_see = "see_identifiers" in PERMISSIONS[role]
    assert report["identifiers"] == ("shown" if may_see else "masked")
    assert (report["account_id"] == ACCOUNT) is may_see
    text = "".join(page.extract_text() for page in PdfReader(BytesIO((await client.get(PATH)).content)).pages)
    assert [each for each in (ACCOUNT, SECRETS["device_id"], SECRETS["ip"]) if (each in text) is not may_see] == []


async def test_revealed_identifiers_are_in_the_report(console: ConsoleUnderTest) -> None:
    await put_case(console)
    client = await console.logged_in("ann", "analyst")
    await post(client, f"/cases/{CASE}/unmask", reason="a report to the authority")
    assert (await client.get(PATH, params={"format": "json"})).json()["account_id"] == ACCOUNT
    assert ", identifiers shown, sha256:" in str(console.audit.of("export")[0][4])


async def test_a_case_of_another_team_has_no_report(console: ConsoleUnderTest) -> None:
    await console.add_team(Team("cards", queues=("urgent",)))
    await put_case(console)
    client = await console.logged_in("ann", "senior", team="cards")
    program = await console.program("cases:export", team="cards")
    assert (await client.get(PATH)).status_code == 404
    assert (await program.get(f"/api/v1{PATH}")).status_code == 404
    assert console.audit.of("export") == []


async def test_a_report_that_there_is_not_is_not_found(console: ConsoleUnderTest) -> None:
    await put_case(console)
    client = await console.logged_in("ann", "analyst")
    assert (await client.get(PATH, params={"format": "exe"})).status_code == 404
    assert (await client.get(f"/cases/{'d' * 32}/report")).status_code == 404


async def test_the_case_page_leads_to_the_report_if_the_role_permits_it(console: ConsoleUnderTest) -> None:
    await put_case(console)
    ann, vic = await console.logged_in("ann", "analyst"), await console.logged_in("vic", "viewer")
    assert f'href="{PATH}?format=pdf" download' in (await ann.get(f"/cases/{CASE}")).text
    assert f"{PATH}?format=pdf" not in (await vic.get(f"/cases/{CASE}")).text


async def test_the_report_is_in_the_language_of_the_visitor(console: ConsoleUnderTest) -> None:
    await put_case(console)
    client = await console.logged_in("ann", "analyst")
    client.headers["accept-language"] = "zh-CN"
    report = (await client.get(PATH, params={"format": "json"})).json()
    assert report["language"] == "zh-Hans"
    assert "触发警报" in report["narrative"][0]


async def test_the_payments_of_the_history_are_in_the_report(console: ConsoleUnderTest, store: Path) -> None:
    """Those of accounts that were merged into the case, too."""
    fill(store, [payment(0, "acc-1", device_id="dev-1", amount="77"), payment(1, "acc-2"), payment(2, "acc-3")], [])
    await put(console, alert("a1", occurred_at_ms=T0 + 1), other_accounts=("acc-2",))
    client = await console.logged_in("ann", "senior")
    report = (await client.get(PATH, params={"format": "json"})).json()
    assert [each["event_id"] for each in report["payments"]] == ["event-of-a1", "p-0", "p-1"]
    assert report["payments"][1]["amount"] == "77.00"
    assert [each.get("account_id") for each in report["payments"]] == [None, None, "acc-2"]
    assert report["sources"]["payments"] == "complete"
    assert {(each["role"], each["value"]) for each in report["parties"]} == {
        ("subject", "acc-1"),
        ("subject", "acc-2"),
        ("device", "dev-1"),
    }


async def test_a_program_needs_the_scope_to_export(console: ConsoleUnderTest) -> None:
    await put_case(console)
    reader = await console.program("cases:read", "cases:act", "identifiers:read")
    assert (await reader.get(f"/api/v1{PATH}")).status_code == 403
    program = await console.program("cases:export")
    answer = await program.get(f"/api/v1{PATH}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["account_id"] != ACCOUNT
    assert console.audit.of("export")[0][:2] == ("api:core", "export")
    seeing = await console.program("cases:export", "identifiers:read")
    assert (await seeing.get(f"/api/v1{PATH}")).json()["account_id"] == ACCOUNT
    pdf = await program.get(f"/api/v1{PATH}", params={"format": "pdf", "language": "zh-Hans"})
    assert pdf.content.startswith(b"%PDF")
    assert (await program.get(f"/api/v1{PATH}", params={"format": "exe"})).status_code == 400


async def test_a_case_without_alerts_has_a_report(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE, rules=(), amount_totals={}))
    client = await console.logged_in("ann", "analyst")
    for kind in ("pdf", "json"):
        assert (await client.get(PATH, params={"format": kind})).status_code == 200
