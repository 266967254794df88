"""Absences: who marks them, and what becomes of the cases."""

from __future__ import annotations

from fraudstream.console.access.teams import Team
from fraudstream.contracts.case import CaseProposal
from tests.unit.console.console_app import ConsoleUnderTest, case, post

DAY = "2026-03-05"  # after the console's now


async def cases_of_bob(console: ConsoleUnderTest) -> None:
    await console.add_user("bob", "analyst")
    await console.put(
        *(case(f"{number}" * 32, f"acc-1{number}", status="in_review", assignee="bob") for number in range(3)),
        case("8" * 32, "acc-88", status="in_review", assignee="bob", proposal=CaseProposal("bob", 0, "inconclusive")),
        case("9" * 32, "acc-99", status="closed", assignee="bob", disposition="inconclusive"),
    )


async def assignees(console: ConsoleUnderTest) -> list[str | None]:
    cases = [await console.view.case(digit * 32) for digit in "01289"]
    return [None if each is None else each.assignee for each in cases]


async def test_an_absent_colleagues_cases_go_back_to_the_queue(console: ConsoleUnderTest) -> None:
    await cases_of_bob(console)
    client = await console.logged_in("sue", "senior")
    page = (await post(client, "/absences", name="bob", last_day=DAY)).text
    assert "<bdi>bob</bdi> is marked absent. <bdi>3</bdi> of <bdi>4</bdi> cases were handed over." in page
    assert "A colleague has proposed to close this case" in page
    assert await assignees(console) == [None, None, None, "bob", "bob"]
    (absence,) = await console.absences.all(console.now_ms)
    assert (absence.name, absence.until_ms, absence.marked_by) == ("bob", 1_772_755_200_000, "sue")
    assert ("sue", "change_user", "done", "user:bob", f"absent until {DAY}") in console.audit.of("change_user")
    assert len([each for each in console.audit.of("act") if each[2] == "done"]) == 3
    ended = (await post(client, "/absences/end", name="bob")).text
    assert "<bdi>bob</bdi> is back." in ended
    assert await console.absences.all(console.now_ms) == []


async def test_they_go_to_a_colleague_who_is_named(console: ConsoleUnderTest) -> None:
    await cases_of_bob(console)
    await console.add_user("carol", "analyst")
    await post(await console.logged_in("sue", "senior"), "/absences", name="bob", last_day=DAY, to="carol")
    assert await assignees(console) == ["carol", "carol", "carol", "bob", "bob"]


async def test_a_senior_of_a_team_hands_over_the_teams_cases_alone(console: ConsoleUnderTest) -> None:
    await console.add_team(Team("takeovers", queues=("takeover",)))
    await console.add_user("bob", "analyst")
    await console.put(
        case("0" * 32, "acc-10", status="in_review", assignee="bob", queue="takeover"),
        case("1" * 32, "acc-11", status="in_review", assignee="bob", queue="general"),
    )
    client = await console.logged_in("sue", "senior", team="takeovers")
    page = (await post(client, "/absences", name="bob", last_day=DAY)).text
    assert "<bdi>1</bdi> of <bdi>1</bdi>" in page
    assert (await assignees(console))[:2] == [None, "bob"]


async def test_an_absence_that_is_none_is_refused(console: ConsoleUnderTest) -> None:
    await cases_of_bob(console)
    client = await console.logged_in("sue", "senior")
    for fields in (
        {"name": "bob"},
        {"name": "bob", "last_day": "tomorrow"},
        {"name": "bob", "last_day": "2026-03-03"},
        {"name": "nobody", "last_day": DAY},
        {"name": "bob", "last_day": DAY, "to": "bob"},
        {"name": "bob", "last_day": DAY, "to": "nobody"},
    ):
        assert (await post(client, "/absences", **fields)).status_code == 400, fields
    assert await console.absences.all(console.now_ms) == []
    assert console.published == []


async def test_an_absence_ends_by_itself(console: ConsoleUnderTest) -> None:
    await cases_of_bob(console)
    client = await console.logged_in("sue", "senior")
    await post(client, "/absences", name="bob", last_day=DAY)
    console.now_ms = 1_772_755_200_000
    assert await console.absences.all(console.now_ms) == []
