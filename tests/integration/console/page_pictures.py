"""The pictures of docs/console.md: the console's pages in a real Chromium, filled by `fraudstream up`.

    python -m tests.integration.console.page_pictures --pictures docs/images [--seconds 240]

Starts `fraudstream up` on free ports and lets it decide payments for a while, so that the pages have something to show.
All identifiers are made up.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from playwright.async_api import Page, async_playwright, expect

from tests.integration.console.running_up import WAIT_MS, Pictures, Running, running, said

CASE: Final = "account_takeover/large_from_new_device"  # a rule that fired in the case of the pictures
RULE: Final = "new_payee/name_mismatch"
LIST: Final = "stolen_devices"
SETTINGS: Final = {"FRAUDSTREAM_CONSOLE_TRIAL_WARM_UP_DAYS": "3"}


class Pages:
    """The pages, in the order of docs/console.md. Each picture is taken once the page shows what it is about."""

    def __init__(self, page: Page, pictures: Pictures) -> None:
        self._page, self._pictures = page, pictures

    async def _sees(self, selector: str, text: str = "") -> None:
        await expect(self._page.locator(selector).first).to_contain_text(text, timeout=WAIT_MS)

    async def log_in(self, password: str) -> None:
        """As the administrator."""
        await self._page.goto("/")
        await self._page.locator("[name=name]").fill("admin")
        await self._page.locator("[name=password]").fill(password)
        await self._page.keyboard.press("Enter")
        await self._sees("#rows")

    async def queue_and_case(self) -> None:
        """The most urgent cases, and one of them with what is known of its account."""
        page = self._page
        await page.goto("/")
        await self._pictures.take(page, "console-queue")
        await page.locator("#rows tr", has_text=CASE).locator("a[data-row]").first.click()
        await self._sees("#past .timeline")
        await self._pictures.take(page, "console-case")
        account = await page.locator("h1 a").get_attribute("href")
        await page.locator("#payments th a").first.click()
        await self._sees("#fired-title")
        await self._pictures.take(page, "console-explained")
        await page.goto(account or "")
        await self._sees("#payments")
        await self._pictures.take(page, "console-account")

    async def team(self) -> None:
        """What a team lead looks at."""
        for name in ("overview", "partners", "models"):
            await self._page.goto(f"/{name}")
            await expect(self._page.locator("main table:visible").first).to_be_visible(timeout=WAIT_MS)
            await self._pictures.take(self._page, f"console-{name}")

    async def rules(self) -> None:
        """All rules, and a trial of a draft that alerts less."""
        page = self._page
        await page.goto("/rules")
        await self._sees("tbody", RULE)
        await self._pictures.take(page, "console-rules")
        await page.goto("/rules/thresholds")
        number = page.get_by_label(f"Number 1 of {RULE}")
        await number.fill(f"{int((await number.input_value()).replace('_', '')) * 10}")
        await self._pictures.take(page, "console-thresholds")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/draft")
        await page.locator("[formaction$='/try']").click()
        await page.wait_for_url("**/trials/*")
        await expect(page.locator("#trial table").first).to_be_visible(timeout=10 * WAIT_MS)
        await self._pictures.take(page, "console-trial")

    async def changes(self) -> None:
        """A value that is proposed for a list, and the proposal that a second person approves."""
        page = self._page
        await page.goto(f"/lists/{LIST}")
        await page.locator("[name=values]").fill("device-00017")
        await page.locator("[name=for]").select_option("30d")
        await page.locator("form[action$='/add'] [name=note]").fill("reported stolen by the customer")
        await self._pictures.take(page, "console-list")
        await page.locator("form[action$='/add'] button").click()
        await page.wait_for_url("**/proposals/*")
        await self._pictures.take(page, "console-proposal")
        await page.goto("/audit")
        await self._sees("tbody")
        await self._pictures.take(page, "console-audit")


async def take_pictures(up: Running, chromium: str, pictures: Pictures) -> None:
    """All pages, in English and light, at 1,440 pixels."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = await browser.new_context(
            locale="en", viewport={"width": 1440, "height": 900}, base_url=up.console, color_scheme="light"
        )
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        pages = Pages(page, pictures)
        await pages.log_in(up.password)
        await pages.queue_and_case()
        await pages.team()
        await pages.rules()
        await pages.changes()
        assert complaints == []
        await browser.close()


async def main() -> None:
    """Parse the flags, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, metavar="DIRECTORY", help="where to write them (default: nowhere)")
    parser.add_argument("--seconds", type=float, default=240.0, help="of payments before the first picture")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="path of the browser")
    parser.add_argument("--log", type=Path, help="output of a running `fraudstream up --plain`, to use that one")
    args = parser.parse_args()
    if args.log:
        await take_pictures(Running(said(args.log)), args.chromium, Pictures(args.pictures))
        return
    with tempfile.TemporaryDirectory() as directory:
        start = (datetime.now(UTC) - timedelta(hours=36)).isoformat(timespec="seconds")
        payments = ("--rate", "50", "--start", start)
        async with running(Path(directory, "log"), *payments, environment=SETTINGS) as up:
            await asyncio.sleep(args.seconds)
            await take_pictures(up, args.chromium, Pictures(args.pictures))


if __name__ == "__main__":
    asyncio.run(main())
