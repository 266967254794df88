"""The pages of the team lead in a real Chromium: live, and numbers that lead to the queue."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.integration.console.browser import WAIT_MS, analyst, put_rules_in_force, suspicious
from tests.integration.console.running_console import RunningConsole
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import decision, label, payment

pytestmark = pytest.mark.browser


async def test_a_team_lead_follows_the_backlog_and_looks_at_partners_and_models(
    console: RunningConsole, chromium: str
) -> None:
    await put_rules_in_force(console)
    await console.add_user("lead", "senior")
    fill(
        console.history,
        [payment(0, channel="partner", partner_id="wallet-9"), label(1, "p-0")],
        [decision(0, "p-0", score=0.8, rules=["takeover/new_device"], alert_id="f" * 32)],
    )
    async with analyst(chromium) as lead:
        await lead.log_in(console.url, "lead")
        await lead.page.get_by_role("link", name="Overview").click()
        await lead.sees("#backlog", "No case waits.")
        await console.cluster.publish_alerts([suspicious("a1", "account-1001", "high")])
        await lead.sees("#backlog", "Without a queue")  # without loading the page again
        await lead.page.locator("#people a").first.click()
        await lead.sees("#rows", "1001")
        await expect(lead.page.locator("#rows tbody tr")).to_have_count(1)
        await lead.page.go_back()
        await lead.page.get_by_text("As a table").first.click()
        await lead.page.get_by_role("link", name="Partners").click()
        await lead.sees("#figures", "wallet-9")
        await lead.page.get_by_role("link", name="Models").click()
        await lead.sees("#figures", "the score that decides")
        for path in ("/overview", "/partners", "/models", "/rules"):
            await lead.page.goto(console.url + path)
            await expect(lead.page.locator("h1")).to_be_visible(timeout=WAIT_MS)
            assert await lead.page.evaluate("document.documentElement.scrollWidth") <= 900, path
        assert lead.complaints == []
