"""The overview for the team lead: every number against the cases, and against the queue that it leads to."""

from __future__ import annotations

import asyncio
import html
import re
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from fraudstream.console.access.teams import Team
from fraudstream.console.live import LiveChanges
from fraudstream.console.overview import desk as desk_module
from fraudstream.console.overview.case_figures import HOUR_MS, HOURS, WEEKS, case_figures
from fraudstream.console.overview.desk import KEPT_MS, OverviewDesk
from fraudstream.contracts import Case, CaseAlert
from tests.unit.console.console_app import ConsoleUnderTest, case, soon
from tests.unit.console.hostile_text import HOSTILE, assert_harmless

NOW_MS = 1_772_629_200_000  # 2026-03-04T13:00:00Z, a Wednesday; the clock of a console under test
DAY_MS = 24 * HOUR_MS
UTC = ZoneInfo("UTC")


def alerted(case_id: str, ago_ms: int, *, partner: str | None = None, channel: Any = None, **fields: Any) -> Case:
    """A case opened so long ago, with one alert."""
    at_ms = NOW_MS - ago_ms
    line = CaseAlert("a-" + case_id, "p-1", at_ms, "high", 0.5, "10.00", "EUR", (), channel, partner)
    fields = {
        "partners": () if partner is None else (partner,),
        "opened_at_ms": at_ms,
        "updated_at_ms": at_ms,
        "alerts": (line,),
        "alert_count": 1,
    } | fields
    return case(case_id, f"acc-{case_id}", **fields)


def closed(case_id: str, ago_ms: int, disposition: str, **fields: Any) -> Case:
    return alerted(case_id, ago_ms, status="closed", disposition=disposition, **fields)


CASES = (
    alerted("a1", 0, queue="cards", breached_at_ms=1, warned_at_ms=1, assignee="ann", status="assigned", channel="app"),
    alerted("a2", 2 * HOUR_MS, queue="cards", warned_at_ms=1, assignee="ann", status="in_review", partner="wallet-9"),
    alerted("a3", 5 * DAY_MS, queue="transfers", amount_totals={"JPY": "7", "EUR": "0.50"}),
    closed("c1", DAY_MS, "confirmed_fraud", assignee="bob", queue="cards", channel="app", partner="wallet-9"),
    closed("c2", 2 * DAY_MS, "false_positive", assignee="ann", channel="app", amount_totals={"EUR": "99.00"}),
    closed("c3", 10 * DAY_MS, "genuine_but_risky"),
    closed("c4", 10 * DAY_MS, "inconclusive"),
    closed("c5", 10 * DAY_MS, "confirmed_fraud"),
)


async def page_of(client: httpx.AsyncClient, path: str = "/overview") -> str:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def section(page: str, name: str) -> str:
    return page.split(f'id="{name}"')[1].split("</section>")[0]


def rows(page: str, name: str) -> dict[str, list[str]]:
    """The cells of a table by the text of the row's head."""
    found = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', section(page, name), re.S)
    plain = [
        (re.sub("<[^>]*>", "", head), re.findall(r'<td class="number">(.*?)</td>', cells)) for head, cells in found
    ]
    return {html.unescape(head): [re.sub("<[^>]*>", "", cell) for cell in cells] for head, cells in plain}


async def test_the_page_counts_the_cases(console: ConsoleUnderTest) -> None:
    await console.put(*CASES)
    page = await page_of(await console.logged_in("ann", "senior"))
    figures = dict(re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", section(page, "numbers"), re.S))
    shown = {name: re.sub("<[^>]*>", "", value).strip() for name, value in figures.items()}
    assert shown == {
        "Backlog": "3",
        "Soon late": "1",
        "Late": "1",
        "Oldest": "5 d",
        "Opened in the period": "5",
        "Precision": "50 %",
        "Money at risk": "20.50 EUR · 7 JPY",
        "Money stopped": "10.00 EUR",
    }
    assert rows(page, "backlog") == {"cards": ["2", "1", "1", "2 h"], "transfers": ["1", "0", "0", "5 d"]}
    assert rows(page, "people") == {
        "Nobody": ["1", "0", "0", "0", "0"],
        "ann": ["2", "1", "1", "1", "0"],
        "bob": ["0", "0", "0", "1", "1"],
    }
    assert rows(page, "dispositions") == {
        "confirmed fraud": ["1"],
        "false positive": ["1"],
        "genuine but risky": ["0"],
        "inconclusive": ["0"],
        "Not closed": ["3"],
    }
    assert rows(page, "channels") == {"app": ["3", "1", "1", "0", "1", "50 %"]}
    assert rows(page, "partners") == {"wallet-9": ["2", "1", "0", "0", "1", "100 %"]}
    assert rows(page, "weeks")["2026-02-16"] == ["3", "1", "1", "1", "0", "50 %"]
    assert rows(page, "weeks")["2026-03-02"] == ["4", "1", "1", "0", "2", "50 %"]


async def test_every_linked_number_is_what_the_queue_lists(console: ConsoleUnderTest) -> None:
    await console.put(*CASES)
    client = await console.logged_in("ann", "senior")
    page = await page_of(client, "/overview?days=30")
    linked = set(re.findall(r'<a href="(/[^"]*)">([0-9,]+)</a>', page))
    assert len(linked) > 20
    for path, number in linked:
        queue = await page_of(client, html.unescape(path))
        assert (
            re.sub("<[^>]*>", "", queue.split('<p id="rows-foot" class="foot" data-fresh>')[1])
            .strip()
            .startswith("1 case" if number == "1" else f"{number} cases")
        ), path


async def test_hours_and_weeks_have_every_alert_and_case_once(console: ConsoleUnderTest) -> None:
    ages = [0, 1, HOUR_MS - 1, HOUR_MS, (HOURS - 1) * HOUR_MS, (HOURS - 1) * HOUR_MS + 1, 20 * DAY_MS]
    await console.put(*(alerted(f"{number:02x}", ago_ms) for number, ago_ms in enumerate(ages)))
    for zone in (UTC, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")):
        figures = case_figures(console.index.tally, 7, None, zone, NOW_MS)
        shift = 30 * 60_000 if zone.key == "Asia/Kolkata" else 0
        for hour in figures.hours:
            assert (hour.begin_ms - shift) % HOUR_MS == 0
            expected = sum(hour.begin_ms <= NOW_MS - ago_ms < hour.begin_ms + HOUR_MS for ago_ms in ages)
            assert (hour.alerts, hour.cases) == (expected, expected)
        assert figures.hours[-1].begin_ms <= NOW_MS < figures.hours[-1].begin_ms + HOUR_MS
        assert len(figures.weeks) == WEEKS
        assert sum(week.outcomes.cases for week in figures.weeks) == len(ages)


async def test_a_late_alert_of_an_old_case_counts_in_its_hour(console: ConsoleUnderTest) -> None:
    old, new = alerted("a1", 40 * DAY_MS), alerted("a1", HOUR_MS)
    await console.put(alerted("a1", 40 * DAY_MS, alerts=(*old.alerts, *new.alerts), updated_at_ms=NOW_MS - HOUR_MS))
    figures = case_figures(console.index.tally, 7, None, UTC, NOW_MS)
    assert [(hour.alerts, hour.cases) for hour in figures.hours[-3:]] == [(0, 0), (1, 0), (0, 0)]


async def test_a_team_lead_sees_the_figures_of_the_team_alone(console: ConsoleUnderTest) -> None:
    await console.put(*CASES)
    await console.add_team(Team("cards", ("cards",)))
    page = await page_of(await console.logged_in("ann", "senior", team="cards"))
    assert set(rows(page, "backlog")) == {"cards"}
    assert set(rows(page, "people")) == {"ann", "bob"}
    assert "JPY" not in page


async def test_a_page_without_cases_says_so(console: ConsoleUnderTest) -> None:
    page = await page_of(await console.logged_in("ann", "senior"), "/overview?days=1")
    assert "No case waits." in page
    assert "No payment of these cases names a partner." in page


async def test_texts_of_payments_are_shown_as_texts(console: ConsoleUnderTest) -> None:
    hostile = HOSTILE.replace("\x07", "")[:128]
    await console.put(alerted("a1", 0, partner=hostile, queue=hostile, assignee=hostile, status="assigned"))
    page = await page_of(await console.logged_in("ann", "senior"))
    assert_harmless(page)
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3


async def test_a_view_is_in_the_audit_log(console: ConsoleUnderTest) -> None:
    await page_of(await console.logged_in("ann", "senior"))
    assert ("ann", "view", "done", "path:/overview", None) in console.audit.of("view")


async def test_an_answer_is_kept_for_a_moment_and_not_longer(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "senior")
    await page_of(client)
    await console.put(alerted("a1", 0))
    assert "No case waits." in await page_of(client)
    console.now_ms += KEPT_MS + 1
    assert "No case waits." not in await page_of(client)


async def test_open_pages_are_told_once_of_many_changes(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "TOLD_S", 0)
    told = list[str]()
    live = LiveChanges()
    monkeypatch.setattr(live, "on_page", told.append)
    desk = OverviewDesk(console.index, live, UTC, lambda: NOW_MS)
    running = asyncio.create_task(desk.run())
    await soon()
    assert told == []
    for number in range(9):
        live.on_case(str(number))
    await soon()
    running.cancel()
    assert told == ["overview"]


async def test_a_page_that_was_told_of_a_change_shows_it(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open pages ask again when they are told, and then not before the next change."""
    monkeypatch.setattr(desk_module, "TOLD_S", 0)
    desk = OverviewDesk(console.index, console.live, UTC, lambda: NOW_MS)
    assert (await desk.case_figures(7, None)).backlog == ()
    await console.put(alerted("a1", 0))
    assert (await desk.case_figures(7, None)).backlog == (), "an answer is kept, as the clock stands"
    running = asyncio.create_task(desk.run())
    await soon()
    running.cancel()
    assert [line.cases for line in (await desk.case_figures(7, None)).backlog] == [1]


async def test_the_queue_shows_the_filters_of_a_link_and_removes_each(console: ConsoleUnderTest) -> None:
    await console.put(*CASES)
    client = await console.logged_in("ann", "senior")
    page = await page_of(client, "/?channel=app&level=breached&rule=takeover%2Fnew_device&partner=")
    assert re.findall(r'data-row href="/cases/([^?"]*)', page) == ["a1"]
    badges = re.findall(r'<span class="badge">(.*?)</span>', page)
    assert [html.unescape(re.sub("<[^>]*>", "", badge)) for badge in badges] == [
        "Service level: late ×",
        "Channel: app ×",
        "Rule: takeover/new_device ×",
    ]
    without = html.unescape(re.findall(r'Channel: .*?href="([^"]*)"', page)[0])
    assert without == "/?level=breached&rule=takeover%2Fnew_device"
    assert '<input type="hidden" name="channel" value="app">' in page  # kept by the form of the other filters
    assert_harmless(await page_of(client, "/?partner=%3Cscript%3Ealert(1)%3C%2Fscript%3E&level=nonsense"))


async def test_a_program_filters_cases_as_the_overview_counts_them(console: ConsoleUnderTest) -> None:
    await console.put(*CASES)
    program = await console.program("cases:read")

    async def ids(parameters: str) -> set[str]:
        answer = await program.get(f"/api/v1/cases?{parameters}")
        assert answer.status_code == 200, answer.text
        return {row["case_id"] for row in answer.json()["cases"]}

    assert await ids("status=all&partner=wallet-9") == {"a2", "c1"}
    assert await ids("level=warned") == {"a2"}
    assert await ids("status=closed&channel=app&rule=takeover/new_device") == {"c1", "c2"}
    assert (await program.get("/api/v1/cases?level=late")).status_code == 400
