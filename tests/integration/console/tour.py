"""The tour of docs/tour.md, driven in a real Chromium: from `fraudstream up` to the verdict that a closed case changes.

    python -m tests.integration.console.tour [--pictures docs/images]

Starts `fraudstream up` on free ports, with generated payments around those of the tour. Each step asserts what its
picture shows, and writes `tour-NN-….png`. All identifiers are made up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page, async_playwright, expect

from tests.integration.console.running_up import WAIT_MS, Pictures, Running, running, said
from tests.integration.console.tour_payments import EARLIER, LATER, VICTIM, TourPayments

AMOUNTS: Final = tuple(f"{euros}.00" for euros in range(60, 260, 16))
PAYMENTS: Final = ("--rate", "10", "--accounts", "2000")
NEWEST: Final = "?order=newest"
RISK: Final = "merchant_risk_last_2"  # a part of the score


class Tour:
    """The steps, in order. `payments`: sends the tour's own; `pictures`: keeps what each step shows."""

    def __init__(self, up: Running, page: Page, payments: TourPayments, pictures: Pictures) -> None:
        self._up, self._page, self._payments, self._pictures = up, page, payments, pictures

    async def sees(self, selector: str, text: str) -> None:
        """Wait for the text."""
        await expect(self._page.locator(selector).first).to_contain_text(text, timeout=WAIT_MS)

    async def log_in(self) -> None:
        """The form, then the queue with the demo's cases."""
        page = self._page
        await page.goto(self._up.console)
        await page.keyboard.type("admin")
        await page.keyboard.press("Tab")
        await page.keyboard.type(self._up.password)
        await self._pictures.take(page, "tour-02-log-in")
        await page.keyboard.press("Enter")
        await self.sees("#state", "Live")
        await page.locator("#order").select_option("newest")  # the demo's own cases are in the thousands
        await page.wait_for_url("**order=newest**")

    async def case_appears(self) -> None:
        """A card is misused; its case comes up in the queue by itself."""
        await self._payments.habits([VICTIM, EARLIER, LATER])
        answer = await self._payments.misuse(VICTIM)
        assert answer.outcome == "review", answer
        assert answer.fields["rules"] == ["card_testing/tiny_then_large"], answer
        await self.sees("#rows", f"••••{VICTIM[-4:]}")
        await self._pictures.take(self._page, "tour-03-queue")

    async def earlier_customer(self) -> str:
        """Another customer buys at the shop, before anything is known of it; the amount, which was allowed."""
        amount = await self._payments.largest_allowed(AMOUNTS)
        decision = await self._payments.send(self._payments.purchase(EARLIER, amount))
        assert decision["outcome"] == "allow", decision
        explained = await self._payments.explained(decision)
        assert risk_in(explained) is None, explained
        await self._terminal("tour-04-earlier", decision, explained)
        return amount

    async def case_understood(self) -> None:
        """The case says why it was raised; the reason for seeing identifiers is recorded."""
        page = self._page
        await page.locator("#rows a", has_text=f"••••{VICTIM[-4:]}").click()
        await self.sees("#reasons", "Large purchase right after tiny ones")
        await self.sees("#score", "base_rate")
        await page.keyboard.press("d")
        await page.keyboard.type("the customer is on the phone")
        await page.keyboard.press("Control+Enter")
        await self.sees("h1", VICTIM)
        await self.sees(".why", "489.00 EUR")
        await self.sees("#past", "web")
        await self._pictures.take(page, "tour-05-case")

    async def case_closed(self) -> None:
        """Claimed and closed as fraud, with a note."""
        page = self._page
        await page.keyboard.press("c")
        await self.sees("#message", "You have claimed this case.")
        await page.keyboard.press("f")
        await page.keyboard.type("Not hers: the card was copied. Asked for a new one.")
        await self._pictures.take(page, "tour-06-close")
        await page.keyboard.press("Control+Enter")
        await self.sees("#message", "Closed as confirmed fraud.")
        await self.sees("#notes", "the card was copied")
        await self._pictures.take(page, "tour-07-closed")

    async def later_customer(self, amount: str) -> None:
        """The same purchase by a third customer is judged otherwise: the shop has a fraud to its name."""
        decision = await self._payments.send(self._payments.purchase(LATER, amount))
        assert decision["outcome"] == "review", decision
        explained = await self._payments.explained(decision)
        assert risk_in(explained) == "1", explained
        await self._terminal("tour-08-later", decision, explained)

    async def next_case(self) -> None:
        """The case of that purchase has the shop's risk among the parts of its score."""
        page = self._page
        await page.goto(f"{self._up.console}/{NEWEST}")
        await page.locator("#rows a[data-row]", has_text=f"••••{LATER[-4:]}").click()
        await self.sees("#score", RISK)
        await self._pictures.take(page, "tour-09-next-case")

    async def _terminal(self, name: str, decision: Mapping[str, Any], explained: str) -> None:
        """A picture of what the two commands print, of the explanation the lines that matter here."""
        event, account = decision["event_id"], decision["account_id"]
        shown = [line for line in explained.splitlines() if re.search(r"^Score |bits +(base_|amount_|merchant_)", line)]
        lines = ["$ fraudstream send - < payment.json", json.dumps(decision), ""]
        lines += [f"$ fraudstream explain --event {event} --account {account}", "…", *shown, "…"]
        page = await self._page.context.new_page()
        await page.set_content("<pre style='font: 16px/24px monospace; white-space: pre-wrap; margin: 20px'></pre>")
        await page.locator("pre").evaluate("(pre, text) => { pre.textContent = text }", "\n".join(lines))
        await page.set_viewport_size({"width": 900, "height": 24 * (len(lines) + 4)})
        await self._pictures.take(page, name)
        await page.close()


def risk_in(explained: str) -> str | None:
    """The value of the shop's risk in an explanation; None where there is none."""
    found = re.search(rf"bits +{RISK} +(\S+)", explained)
    return found[1] if found else None


async def views_of_others(browser: Browser, up: Running, state: Any, pictures: Pictures) -> None:
    """The queue at 900 pixels, dark, and a case in Chinese."""
    dark = await browser.new_context(
        storage_state=state, locale="en", color_scheme="dark", viewport={"width": 900, "height": 700}
    )
    page = await dark.new_page()
    await page.goto(f"{up.console}/{NEWEST}")
    await expect(page.locator("#rows")).to_contain_text(LATER[-4:], timeout=WAIT_MS)
    await pictures.take(page, "tour-10-dark")
    chinese = await browser.new_context(storage_state=state, locale="zh-CN", viewport={"width": 1440, "height": 900})
    page = await chinese.new_page()
    await page.goto(f"{up.console}/{NEWEST}")
    await page.locator("#rows a[data-row]", has_text=LATER[-4:]).click()
    await expect(page.locator("#score")).to_contain_text("分数", timeout=WAIT_MS)
    await pictures.take(page, "tour-11-chinese")


async def take_tour(up: Running, browser: Browser, pictures: Pictures) -> None:
    """All steps."""
    context = await browser.new_context(locale="en", viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    tour = Tour(up, page, TourPayments(up.gateway, up.environment), pictures)
    await tour.log_in()
    await tour.case_appears()
    amount = await tour.earlier_customer()
    await tour.case_understood()
    await tour.case_closed()
    await tour.later_customer(amount)
    await tour.next_case()
    await views_of_others(browser, up, await context.storage_state(), pictures)
    assert complaints == []


async def main() -> None:
    """Parse the flags, take the tour."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, metavar="DIRECTORY", help="where to write them (default: nowhere)")
    parser.add_argument("--log", type=Path, help="output of a running `fraudstream up --plain`, to use that one")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="path of the browser")
    args = parser.parse_args()
    pictures = Pictures(args.pictures)
    with tempfile.TemporaryDirectory() as directory:
        board = Path(directory, "board.svg")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
            if args.log:
                await take_tour(Running(said(args.log)), browser, pictures)
                return
            async with running(Path(directory, "log"), *PAYMENTS, "--picture", str(board)) as up:
                await take_tour(up, browser, pictures)
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            await page.goto(board.as_uri())
            await pictures.take(page, "tour-01-board")


if __name__ == "__main__":
    asyncio.run(main())
