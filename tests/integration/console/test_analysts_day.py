"""An analyst's whole day in a real Chromium, with a second person who approves and an auditor who looks at it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.async_api import expect

from fraudstream.cases.policy import Approval, CasePolicy, Queue, ServiceLevel
from fraudstream.contracts import Label
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.integration.console.browser import WAIT_MS, Analyst, analyst, put_rules_in_force, suspicious
from tests.integration.console.running_console import RunningConsole, running_console
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import payment

pytestmark = pytest.mark.browser
POLICY = CasePolicy(
    queues=(Queue("takeover", typologies=("takeover",), closing=ServiceLevel(warn="4h", breach="8h")),),
    approval=Approval(confirmed_fraud=True),
)
SEVERITIES = ("critical", "high", "high", "medium", "medium", "low")


@pytest.fixture
async def console(
    broker: str, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningConsole]:
    """A console whose case agent wants a second person to approve a confirmed fraud."""
    cluster = CaseCluster(broker, redis_url, unique_name)
    cluster.settings = msgspec.structs.replace(cluster.settings, policy=POLICY)
    await cluster.create_topics()
    async with running_console(cluster, tmp_path / "console.log") as console:
        await put_rules_in_force(console)
        places: dict[str, Any] = {"lat": 52.5, "lon": 13.4, "channel": "web"}
        fill(console.history, [payment(0, "account-1001", device_id="phone", **places)])
        yield console


async def takes_the_most_urgent(ann: Analyst) -> None:
    """The first case is hers; the customer is asked, and answers."""
    await ann.press("t")
    await ann.sees("h1", "1001")
    await ann.sees("#head", "In review by ann")
    await ann.press("w")
    await ann.writes("asked by telephone")
    await ann.sees("#head", "Waiting for the customer (ann)")
    await ann.press("u")
    await ann.sees("#message", "The case is in review again.")
    await ann.press("m")
    await ann.writes("it was not the customer")
    await ann.sees("#notes", "it was not the customer")


async def proposes_fraud(ann: Analyst) -> None:
    """Confirmed fraud needs a second person, who is not she."""
    await ann.press("f")
    await ann.writes("card copied")
    await ann.sees("#message", "Proposed. A second person is to approve it.")
    assert await ann.page.locator("[data-key=v]").count() == 0


async def approves(sue: Analyst) -> None:
    """The second person finds what is to be approved, and approves it."""
    await sue.page.click("#status-filter a:has-text('To approve')")
    await sue.sees("#rows", "account-1001")
    await sue.press("j", "Enter")
    await sue.sees("#head", "To approve: confirmed fraud (ann)")
    await sue.press("v")
    await sue.sees("#message", "Approved: the case is closed as confirmed fraud.")


async def takes_next(ann: Analyst, *before: str) -> str:
    """The account of the case that she gets, which is none of `before`."""
    await ann.press("t")
    await ann.sees("#head", "In review by ann")
    for each in before:
        await expect(ann.page.locator("h1")).not_to_contain_text(each, timeout=WAIT_MS)
    return (await ann.page.locator("h1").inner_text())[-4:]


async def works_the_rest(ann: Analyst) -> tuple[str, str]:
    """One is put aside, one escalated, one closed as a false positive, one released. Returns the first, the third."""
    aside = await takes_next(ann, "1001")
    await ann.press("z")
    await ann.page.get_by_label("For how long").select_option(index=0)
    await ann.page.locator("#snooze-dialog textarea").fill("the merchant answers tomorrow")
    await ann.press("Control+Enter")
    await ann.sees("#message", "The case is put aside.")
    escalated = await takes_next(ann, aside)
    await ann.press("e", "Tab")
    await ann.writes("a large customer")
    await ann.sees("#head", "Escalated to senior")
    genuine = await takes_next(ann, escalated)
    await ann.press("g")
    await ann.writes("bought a flight")
    await ann.sees("#message", "Closed as false positive.")
    await takes_next(ann, genuine)
    await ann.press("r")
    await ann.sees("#message", "The case is back in the queue.")
    return aside, genuine


async def opens_a_case_by_hand(ann: Analyst) -> None:
    """For an account without an alert; it is linked with another."""
    await ann.press("q")
    await ann.page.get_by_text("Open a case").click()
    await ann.page.locator("form[action='/cases'] [name=account_id]").fill("account-2001")
    await ann.page.locator("form[action='/cases'] [name=note]").fill("a call of the branch")
    await ann.press("Enter")
    await ann.sees("h1", "2001")
    await ann.sees("#notes", "a call of the branch")


async def finds_what_she_did(ann: Analyst, aside: str, genuine: str) -> None:
    """By words and by status; she keeps the view, and comes back to it."""
    await ann.press("q")
    await ann.page.click("#status-filter a:has-text('Put aside')")
    await ann.sees("#rows", aside)
    await ann.page.click("#status-filter a:has-text('All')")
    await ann.sees("#status-filter [aria-current]", "All")
    await ann.press("/")
    await ann.page.keyboard.type("flight")
    await ann.press("Enter")
    await ann.sees("#rows", genuine)
    await ann.sees("#rows .foot", "1 case")
    await ann.page.click("#save-view summary")
    await ann.page.fill("#save-view [name=name]", "flights")
    await ann.press("Enter")
    await ann.sees("#views [aria-current]", "flights")
    await ann.press("q")
    await ann.page.locator("#views a", has_text="flights").click()
    await ann.sees("#rows", genuine)


async def looks_at_the_day(sue: Analyst) -> None:
    """The team lead sees what was closed and by whom; the rule and what it was worth."""
    await sue.page.get_by_role("link", name="Overview").click()
    await sue.sees("#people", "ann")
    await sue.sees("main", "confirmed fraud")
    await sue.page.get_by_role("link", name="Rules", exact=True).click()
    await sue.page.get_by_role("link", name="takeover/new_device").click()
    await sue.sees("mark", "amount > 200")


async def audits(olga: Analyst) -> str:
    """The export of what ann did and saw."""
    await olga.page.get_by_role("link", name="Audit", exact=True).click()
    await olga.page.get_by_placeholder("User", exact=True).fill("ann")
    await olga.press("Enter")
    await olga.sees(".rows", "ann")
    async with olga.page.expect_download() as download:
        await olga.page.locator("a[download]").click()
    return (await (await download.value).path()).read_text()


async def logs_out(ann: Analyst) -> None:
    """The way back leads to the log-in."""
    await ann.page.get_by_role("button", name="Log out").click()
    await ann.sees("h1", "Log in")
    await ann.page.go_back()
    await ann.page.reload()
    await ann.sees("h1", "Log in")


async def test_an_analysts_day(console: RunningConsole, chromium: str) -> None:
    for name, role in (("ann", "analyst"), ("sue", "senior"), ("olga", "auditor")):
        await console.add_user(name, role)  # type: ignore[arg-type]
    now_ms = time.time_ns() // 1_000_000  # so that the overview of today has the cases
    async with analyst(chromium) as ann, analyst(chromium) as sue:
        await ann.log_in(console.url, "ann")
        await console.cluster.publish_alerts(
            [
                msgspec.structs.replace(suspicious(f"a{n}", f"account-100{n}", severity), occurred_at_ms=now_ms)
                for n, severity in enumerate(SEVERITIES, 1)
            ]
        )
        await ann.sees("#status-filter", "Active 6")
        await takes_the_most_urgent(ann)
        await proposes_fraud(ann)
        await sue.log_in(console.url, "sue")
        await approves(sue)
        await ann.sees("#head", "Closed, confirmed fraud")  # without loading the page again
        aside, genuine = await works_the_rest(ann)
        await opens_a_case_by_hand(ann)
        await finds_what_she_did(ann, aside, genuine)
        await looks_at_the_day(sue)
        await logs_out(ann)
        assert ann.complaints == sue.complaints == []
    async with analyst(chromium) as olga:
        await olga.log_in(console.url, "olga")
        exported = await audits(olga)
        assert olga.complaints == []
    for act in ("claim", "wait", "snooze", "escalate", "close", "release"):
        assert act in exported
    assert "sue" not in exported
    payments = console.cluster.settings.payments_topic
    records = await eventually(lambda: console.cluster.records(payments), lambda found: len(found) == 2)
    labels = {msgspec.json.decode(record.value, type=Label).label for record in records}
    assert labels == {"fraud", "genuine"}
