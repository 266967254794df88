"""Changes in a real Chromium: an author proposes values and thresholds, an approver puts a value on a list and rolls it
back."""

from __future__ import annotations

import pytest

from tests.integration.console.browser import Analyst, analyst, put_rules_in_force, violations
from tests.integration.console.running_console import RunningConsole
from tests.unit.console.console_app import RULE_FILES

pytestmark = pytest.mark.browser
LIST = "/lists/stolen_devices"
SCORE = "threshold: 0.9\nparts: [{part: busy, weight: 0.5, value: account.payments_1d, from: 1, to: 3}]\n"
DEVICE = "device-77aa88bb"


async def no_faults(*people: Analyst) -> None:
    """axe-core and the browser have nothing to say about the pages that these people see, which fit the window."""
    for each in people:
        assert await violations(each.page) == []
        assert await each.page.evaluate("document.documentElement.scrollWidth") <= 900
        assert each.complaints == []


async def approved(bob: Analyst, path: str) -> None:
    await bob.page.goto(path)
    await no_faults(bob)
    await bob.page.get_by_role("button", name="Approve and put in force").click()
    await bob.sees("#trial", "Done")
    await bob.sees("#trial .message", "The list is changed.")


async def thresholds_are_proposed(ann: Analyst) -> None:
    await ann.page.goto("/models")
    await ann.page.locator("[name=value]").fill("0.75")
    await no_faults(ann)
    await ann.page.get_by_role("button", name="Ask for approval").click()
    await ann.sees("#changes", "+threshold: 0.75")
    await ann.page.goto("/rules/thresholds")
    await ann.page.get_by_label("Number 1 of takeover/new_device").fill("1_500")
    await no_faults(ann)
    await ann.press("Enter")
    await ann.page.wait_for_url("**/rules/takeover/new_device/draft")
    await ann.sees("#faults", "No faults.")
    assert "amount > 1_500" in await ann.page.locator("[name=rule_text]").input_value()


async def test_values_of_lists_and_thresholds_are_proposed_approved_and_rolled_back(
    console: RunningConsole, chromium: str
) -> None:
    await put_rules_in_force(console, {**RULE_FILES, "score.yaml": SCORE})
    await console.add_user("ann", "rule_author")
    await console.add_user("bob", "approver")
    async with (
        analyst(chromium, base_url=console.url) as ann,
        analyst(chromium, base_url=console.url) as bob,
    ):
        await ann.log_in(console.url, "ann")
        await bob.log_in(console.url, "bob")
        await ann.page.get_by_role("link", name="Lists").click()
        await ann.page.wait_for_url("**/lists")
        await ann.press("j", "j", "Enter")  # the second list, by keyboard
        await ann.sees("h1", "stolen_devices")
        await ann.page.locator("[name=values]").fill(DEVICE)
        await ann.page.locator("[name=for]").select_option("30d")
        await ann.page.locator("form[action$='/add'] [name=note]").fill("reported stolen")
        await ann.press("Enter")
        await ann.sees("#changes", DEVICE)
        await no_faults(ann)
        await approved(bob, ann.page.url)

        await ann.page.goto(LIST)
        await ann.sees("tbody", "reported stolen")
        await ann.sees("tbody", "••••88bb")  # an author sees what others have put there as everybody does
        await no_faults(ann)
        await ann.press("/")
        await ann.page.keyboard.type(DEVICE)
        await ann.press("Enter")
        await ann.sees("tbody", "bob")

        await ann.page.goto("/changes")
        await ann.page.locator("form[action='/changes/restore'] [name=note]").first.fill("the wrong device")
        await no_faults(ann)
        await ann.press("Enter")
        await ann.sees("#changes", "Takes a value off")
        await approved(bob, ann.page.url)
        await ann.page.goto(LIST)
        await ann.sees("main", "There is no such entry.")
        await thresholds_are_proposed(ann)
