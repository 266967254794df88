"""An analyst's first case in a real Chromium: by keyboard, without loading a page again, under the strict policy."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from playwright.async_api import Route, expect

from fraudstream.contracts import Label
from tests.integration.cases.case_cluster import eventually
from tests.integration.console.browser import WAIT_MS, Analyst, analyst, put_rules_in_force, suspicious
from tests.integration.console.running_console import RunningConsole
from tests.unit.cases.events import alert
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import payment

pytestmark = pytest.mark.browser
DEVICE = "<b>device</b>"


async def draft_a_rule(ann: Analyst) -> None:
    """From the list of rules to a saved draft; faults appear and go while it is typed."""
    await ann.page.get_by_role("link", name="Rules", exact=True).click()
    await ann.page.get_by_role("link", name="takeover/new_device").click()
    await ann.sees("mark", "amount > 200")
    await ann.press("e")
    text = ann.page.get_by_label("Text")
    written = await text.input_value()
    await text.fill(written.replace("amount > 200", "amount > 1h"))
    await ann.sees("#faults", "Line 5, column")
    await ann.page.locator("[data-line]").click()
    assert await ann.page.evaluate("getSelection().toString()") == "when: amount > 1h"
    await text.fill(written.replace("amount > 200", "amount > 100"))
    await ann.sees("#faults", "No faults.")
    await ann.press("Control+Enter")
    await ann.sees(".muted", "saved")
    assert "amount > 100" in await text.input_value()


async def test_an_analysts_first_case(console: RunningConsole, chromium: str) -> None:
    await put_rules_in_force(console)
    await console.add_user("ann", "analyst")
    places: dict[str, Any] = {"lat": 52.5, "lon": 13.4, "channel": "web"}
    fill(
        console.history,
        [payment(0, "account-1001", device_id=DEVICE, **places), payment(1, "account-1002", device_id=DEVICE)],
    )
    async with analyst(chromium) as ann:
        await ann.log_in(console.url, "ann")
        await ann.sees("#rows", "There are no cases yet.")
        await ann.page.evaluate("document.body.dataset.loaded = 'once'")
        await console.cluster.publish_alerts(
            [suspicious("a1", "account-1001", "high"), suspicious("a2", "account-1002", "medium")]
        )
        await ann.sees("#rows", "••••1001")  # by itself
        await ann.sees("#rows", "••••1002")
        await ann.sees("#status-filter", "Active 2")
        assert await ann.page.evaluate("document.body.dataset.loaded") == "once"

        await ann.press("j", "Enter")
        await ann.sees("h1", "Account ••••1001")
        await ann.sees("#reasons", "60.15 EUR")
        await ann.press("d")
        await ann.page.keyboard.type("the customer is on the phone")
        await ann.press("Control+Enter")
        await ann.sees("h1", "Account account-1001")
        await ann.sees(".why", "1 alert, 526.26 EUR: Large payment: 526.26 EUR to <img src=x")
        await ann.page.evaluate("document.body.dataset.loaded = 'once'")
        await ann.press("c")
        await ann.sees("#message", "You have claimed this case.")
        await ann.sees("#head", "In review by ann")
        await ann.press("m")
        await ann.page.keyboard.type("called the customer")
        await ann.press("Control+Enter")
        await ann.sees("#notes", "called the customer")
        await ann.press("f")
        await ann.page.keyboard.type("card copied")
        await ann.press("Control+Enter")
        await ann.sees("#message", "Closed as confirmed fraud.")
        await ann.sees("#notes", "card copied")
        assert await ann.page.evaluate("document.body.dataset.loaded") == "once"

        await ann.sees("#past .timeline", "web")  # by itself, once the history has answered
        await console.add_user("ann", "senior")  # pages of the history are for those who see identifiers
        await ann.page.reload()
        await ann.page.locator("h1 a").click()
        await ann.sees("#payments", "fraudstream explain --event")
        await ann.sees(".map", "52.5°N")
        await ann.page.locator(".network a", has_text="account-1002").click()
        await ann.sees("h1", "Account account-1002")
        await ann.page.go_back()
        await ann.page.go_back()

        await ann.press("n")
        await ann.sees("h1", "Account account-1002")
        await ann.page.go_back()
        await ann.sees("h1", "Account account-1001")
        await ann.sees("#head", "Closed, confirmed fraud")
        await ann.press("q")
        await ann.sees("#status-filter", "Closed 1")
        assert "account-1001" not in await ann.page.locator("#rows").inner_text()
        assert await ann.page.title() == "Queue · fraudstream"
        await ann.press("/")
        await ann.page.keyboard.type("copied")
        await ann.press("Enter")
        await ann.sees("#rows", "No case matches.")  # the case is closed
        await ann.page.click("#status-filter a:has-text('Closed')")
        await ann.sees("#rows", "account-1001")
        await ann.page.click("#save-view summary")
        await ann.page.fill("#save-view [name=name]", "copied cards")
        await ann.press("Enter")
        await ann.sees("#views [aria-current]", "copied cards")
        await draft_a_rule(ann)
        assert ann.complaints == []

    payments = console.cluster.settings.payments_topic
    (record,) = await eventually(lambda: console.cluster.records(payments), lambda found: len(found) == 1)
    assert msgspec.json.decode(record.value, type=Label).label == "fraud"


async def test_keys_pressed_while_a_filtered_list_loads_act_on_that_list(
    console: RunningConsole, chromium: str
) -> None:
    await console.add_user("ann", "analyst")
    await console.cluster.publish_alerts(
        [suspicious("a1", "account-1001", "high"), suspicious("a2", "account-1002", "medium")]
    )
    found = await eventually(lambda: console.view.queue(10), lambda cases: len(cases) == 2)
    (wanted,) = (case.case_id for case in found if case.account_id == "account-1002")
    asked, may_go_on = asyncio.Event(), asyncio.Event()

    async def later(route: Route) -> None:
        asked.set()
        await may_go_on.wait()
        await route.continue_()

    async with analyst(chromium) as ann:
        await ann.log_in(console.url, "ann")
        await expect(ann.page.locator("a[data-row]")).to_have_count(2, timeout=WAIT_MS)
        await ann.page.route("**/*severity=medium*", later)
        await ann.page.locator("#severity-filter a", has_text="Medium").dispatch_event("click")
        await asked.wait()
        await ann.press("j", "Enter")  # on the old list, the first row is the other case
        may_go_on.set()
        await ann.page.wait_for_url(f"**/cases/{wanted}*", timeout=WAIT_MS)
        assert ann.complaints == []


async def test_two_tabs_share_one_stream_and_both_stay_true(console: RunningConsole, chromium: str) -> None:
    await console.add_user("ann", "analyst")
    async with analyst(chromium) as ann:
        await ann.log_in(console.url, "ann")
        second = Analyst(await ann.page.context.new_page())
        await second.page.goto(console.url)
        await second.sees("#state", "Live")
        await console.cluster.publish_alerts([alert("a1", "account-1001")])
        await second.sees("#rows", "••••1001")
        await ann.page.close()  # the tab that holds the stream
        await console.cluster.publish_alerts([alert("a2", "account-1002")], first_offset=1)
        await second.sees("#rows", "••••1002")
        assert second.complaints == []
