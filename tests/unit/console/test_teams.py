"""A team's members and programs see its cases, and those of other teams are not there for them."""

from __future__ import annotations

import httpx
import pytest
from msgspec.structs import replace

from fraudstream.cases.grouping import joined, opened
from fraudstream.console.access.teams import Team
from fraudstream.contracts import AuditEvent
from tests.unit.cases.events import alert
from tests.unit.console.console_app import ConsoleUnderTest, case, post

MINE, QUEUED, THEIRS = "a" * 32, "b" * 32, "d" * 32
CARDS = Team("cards", queues=("urgent",), typologies=("card_testing",))


async def put_cases(console: ConsoleUnderTest) -> None:
    """Three cases of one account: of the team's typology, of its queue, and of neither."""
    await console.add_team(CARDS)
    await console.put(
        case(MINE, rules=("card_testing/many_small", "takeover/new_device")),
        case(QUEUED, queue="urgent"),
        case(THEIRS, queue="other"),
    )


def cases_in(page: str) -> set[str]:
    return {case_id for case_id in (MINE, QUEUED, THEIRS) if f"/cases/{case_id}" in page}


async def api_answers(client: httpx.AsyncClient, case_id: str) -> list[int]:
    action = {"action": "claim"}
    sent = await client.post(f"/api/v1/cases/{case_id}/actions", json=action, headers={"idempotency-key": case_id})
    return [(await client.get(f"/api/v1/cases/{case_id}")).status_code, sent.status_code]


async def test_a_member_sees_the_teams_cases_alone(console: ConsoleUnderTest) -> None:
    await put_cases(console)
    client = await console.logged_in("ann", "analyst", team="cards")
    queue = (await client.get("/")).text
    assert cases_in(queue) == {MINE, QUEUED}
    assert "Active <b>2</b>" in queue
    assert cases_in((await client.get("/", params={"text": "acc-1"})).text) == {MINE, QUEUED}
    page = (await client.get(f"/cases/{MINE}")).text
    assert cases_in(page) == {MINE, QUEUED}  # the account's other cases, previous and next among them
    assert cases_in((await (await console.logged_in("bob", "analyst")).get("/")).text) == {MINE, QUEUED, THEIRS}


async def test_a_case_of_another_team_is_not_there(console: ConsoleUnderTest) -> None:
    await put_cases(console)
    client = await console.logged_in("ann", "senior", team="cards")
    answers = [
        await client.get(f"/cases/{THEIRS}"),
        await client.get(f"/cases/{THEIRS[:8]}"),  # its beginning does not lead to it either
        await post(client, f"/cases/{THEIRS}/claim"),
        await post(client, f"/cases/{THEIRS}/note", note="x"),
        await post(client, f"/cases/{THEIRS}/unmask", reason="x"),
    ]
    unknown = await client.get("/cases/" + "e" * 32)
    assert [answer.status_code for answer in answers] == [404] * 5
    assert answers[0].text.count("There is no case") == unknown.text.count("There is no case") == 1
    assert console.published == []
    assert ("ann", "refuse", "refused", f"path:/cases/{THEIRS}", f"case {THEIRS} is not for the team cards") in (
        console.audit.of("refuse")
    )
    assert (await post(client, f"/cases/{MINE}/claim")).status_code == 200


async def test_a_program_of_a_team_sees_its_cases_alone(console: ConsoleUnderTest) -> None:
    await put_cases(console)
    client = await console.program("cases:read", "cases:act", team="cards")
    found = (await client.get("/api/v1/cases")).json()
    assert ({row["case_id"] for row in found["cases"]}, found["total"]) == ({MINE, QUEUED}, 2)
    assert await api_answers(client, THEIRS) == [404, 404]
    assert await api_answers(client, MINE) == [200, 200]
    assert {each.case_id for each in console.published} == {MINE}


async def test_a_case_that_leaves_the_team_is_gone_at_once(console: ConsoleUnderTest) -> None:
    await put_cases(console)
    client = await console.logged_in("ann", "analyst", team="cards")
    assert (await client.get(f"/cases/{QUEUED}")).status_code == 200
    await console.put(case(QUEUED, queue="other", version=2))
    assert (await client.get(f"/cases/{QUEUED}")).status_code == 404


@pytest.mark.parametrize("is_removed", [False, True])
async def test_members_of_a_team_that_is_not_there_see_nothing(console: ConsoleUnderTest, is_removed: bool) -> None:
    await put_cases(console)
    client = await console.logged_in("ann", "analyst", team="cards" if is_removed else "never")
    if is_removed:
        await console.teams.remove("cards", AuditEvent(0, "change_user", "done", "command line"))
    assert cases_in((await client.get("/")).text) == set()
    assert (await client.get(f"/cases/{MINE}")).status_code == 404


@pytest.mark.parametrize(
    ("team", "seen"),
    [
        (Team("cards", partners=("wallet",)), {MINE, QUEUED}),
        (Team("cards", queues=("urgent",), partners=("wallet",)), {QUEUED}),
        (Team("cards", queues=("other",), partners=("wallet",)), set[str]()),  # it is of another partner
        (Team("cards", typologies=("card_testing",), partners=("shop", "wallet")), {MINE}),
        (Team("cards"), set[str]()),
    ],
)
async def test_a_team_sees_the_cases_of_its_partners_alone(
    console: ConsoleUnderTest, team: Team, seen: set[str]
) -> None:
    await console.add_team(team)
    await console.put(
        case(MINE, rules=("card_testing/many_small",), partners=("wallet",)),
        case(QUEUED, "acc-2", queue="urgent", partners=("shop", "wallet")),
        case(THEIRS, "acc-3", queue="other"),
    )
    client = await console.logged_in("ann", "senior", team="cards")
    assert cases_in((await client.get("/")).text) == seen
    answers = {case_id: (await client.get(f"/cases/{case_id}")).status_code for case_id in (MINE, QUEUED, THEIRS)}
    assert {case_id for case_id, status in answers.items() if status == 200} == seen
    assert set(answers.values()) <= {200, 404}


def test_a_case_has_the_partners_of_its_alerts_once_each() -> None:
    first, second = alert("a1"), alert("a2")
    wallet, shop = (replace(each.payment, partner_id=name) for each, name in ((first, "wallet"), (second, "shop")))
    found = joined(joined(opened(replace(first, payment=wallet)), replace(second, payment=shop)), alert("a3"))
    found = joined(found, replace(alert("a4"), payment=wallet))
    assert found.partners == ("wallet", "shop")
