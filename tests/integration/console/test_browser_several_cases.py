"""Several cases in a real Chromium: closed by keyboard, merged, split, tagged; a file; a colleague who is absent."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.integration.cases.case_cluster import accounts_of, eventually
from tests.integration.console.browser import HOSTILE, WAIT_MS, analyst, suspicious, violations
from tests.integration.console.running_console import FILE_BYTES_MAX, RunningConsole

pytestmark = pytest.mark.browser


async def test_cases_are_worked_several_at_a_time(console: RunningConsole, chromium: str) -> None:
    await console.add_user("sue", "senior")
    await console.add_user("bob", "analyst")
    names = accounts_of(0, 5)
    await console.cluster.publish_alerts([suspicious(f"al{n}", name, "high") for n, name in enumerate(names)])
    await console.cluster.publish_alerts([suspicious("more", names[0], "high")], first_offset=10)
    found = await eventually(lambda: console.view.queue(10), lambda cases: sum(c.alert_count for c in cases) == 6)
    ids = {case.account_id: case.case_id for case in found}
    async with analyst(chromium) as sue:
        page = sue.page
        await sue.log_in(console.url, "sue")
        await expect(page.locator("a[data-row]")).to_have_count(5, timeout=WAIT_MS)

        # Two rows are chosen with x, and stay chosen when the queue changes.
        for name in names[3:]:
            await page.locator(f"#open-{ids[name]}").focus()
            await sue.press("x")
        await sue.sees("#chosen-count", "2")
        await page.evaluate(f"window.chosen = document.querySelector('#row-{ids[names[4]]}')")
        await console.cluster.publish_alerts([suspicious("one-more", names[1], "high")], first_offset=11)
        await sue.sees(f"#row-{ids[names[1]]}[data-version='2']")
        await expect(page.locator("#rows input:checked")).to_have_count(2)
        assert await page.evaluate("window.chosen.isConnected && window.chosen.contains(document.activeElement)")
        shown = "[...document.querySelectorAll('#row-list > tr')].map((row) => row.id)"
        patched = await page.evaluate(shown)
        async with analyst(chromium) as again:
            await again.log_in(console.url, "sue")
            assert patched == await again.page.evaluate(shown), "rows are in another order than on a new page"
        await sue.press("c")
        await page.locator("#close-chosen [value=false_positive]").check()
        await page.locator("#close-chosen textarea").fill("a test file")
        await sue.press("Control+Enter")
        await sue.sees("[role=status].message", "2 of 2 done.")
        assert await violations(page) == []
        await sue.press("q")
        await expect(page.locator("a[data-row]")).to_have_count(3, timeout=WAIT_MS)

        # A row that changes after it was chosen is no longer chosen: nobody closes what they have not seen.
        await page.locator(f"#open-{ids[names[1]]}").focus()
        await sue.press("x")
        await sue.sees("#chosen-count", "1")
        await console.cluster.publish_alerts([suspicious("last", names[1], "high")], first_offset=12)
        await sue.sees(f"#row-{ids[names[1]]}[data-version='3']")
        await expect(page.locator("#rows input:checked")).to_have_count(0)

        # One case is tagged and merged into another one.
        await page.goto(f"{console.url}/cases/{ids[names[2]]}")
        await sue.press("h")
        await page.keyboard.type("mule-ring")
        await sue.press("Enter")
        await sue.sees("#message", "The tag is added.")
        await sue.sees(".tags", "#mule-ring")
        await sue.press("J")
        await page.locator("#merge-dialog [name=other_case_id]").fill(ids[names[0]])
        await page.locator("#merge-dialog button.main").click()
        await sue.sees("#message", "The case is merged.")
        assert await violations(page) == []
        await page.locator("#head a:has(code)").click()
        await sue.sees("h1", names[2])
        await sue.sees("#payments", names[2])

        # Its alert is split off again.
        await page.locator("#choose-al2").check()
        await page.locator("#split summary").click()
        await page.locator("#split [name=note]").fill("of another ring")
        assert await violations(page) == []
        await page.locator("#split button").click()
        await sue.sees("#message", "The alerts are in a new case.")
        await expect(page.locator("#choose-al2")).to_have_count(0)

        # A file is added to it, with a name that is shown as it is, saved, and removed.
        chooser = page.locator("[data-upload] input[type=file]")
        await chooser.set_input_files({"name": HOSTILE, "mimeType": "text/html", "buffer": b"<script>1</script>"})
        await page.locator("[data-upload] button").click()
        await sue.sees("#message", "The file is added.")
        await sue.sees("#files", "<img src=x")
        await chooser.set_input_files(
            {"name": "large.bin", "mimeType": "application/octet-stream", "buffer": b"x" * (FILE_BYTES_MAX + 1)}
        )
        await page.locator("[data-upload] button").click()
        await sue.sees("#message", "The file is too large: at most 0.2 MB.")
        async with page.expect_download() as saving:
            await page.locator("#files a[download]").click()
        saved = await saving.value
        assert await asyncio.to_thread((await saved.path()).read_bytes) == b"<script>1</script>"
        await page.locator("#files summary").click()
        assert await violations(page) == []
        await page.locator("#files [name=note]").fill("of another customer")
        await page.locator("#files form button").click()
        await sue.sees("#message", "The file is removed.")
        await sue.sees("#files", "No files.")

        # A colleague takes a case, and is marked absent.
        await sue.press("a")
        await page.locator("#assign-dialog select").select_option("bob")
        await page.locator("#assign-dialog button.main").click()
        await sue.sees("#message", "The case is assigned.")
        await page.goto(f"{console.url}/absences")
        await page.locator("[name=name]").last.select_option("bob")
        await page.locator("[name=last_day]").fill("2190-01-01")
        await page.locator("button.main").click()
        await sue.sees("[role=status].message", "1 of 1 cases were handed over.")
        assert await violations(page) == []
        await page.locator("td form button").first.click()
        await sue.sees("[role=status].message", "bob is back.")
        assert sue.complaints == []
