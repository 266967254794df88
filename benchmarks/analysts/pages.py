"""What the console's pages weigh on the wire, and how long the queue takes to its first row, in a real Chromium.

    python -m benchmarks.analysts.pages --cases 60 --loads 20

Runs an embedded broker and Redis, and the case agent and the console as processes of their own, with cases
of several alerts and a history. `cold`: all that a first visit transfers, style and scripts included; `warm`: with
these in the browser's cache. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any, Final

from playwright.async_api import Browser, Page

from benchmarks.analysts.__main__ import quantiles
from benchmarks.analysts.measured_console import console_and_browser
from benchmarks.analysts.row_watch import first_row_ms
from tests.integration.console.browser import Analyst, put_rules_in_force, suspicious
from tests.integration.console.running_console import RunningConsole
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import payment

ALERTS_OF_A_CASE: Final = 3
PAYMENTS: Final = 200  # in the history, of the account that is looked at
PAGES: Final = {"queue": "/", "overview": "/overview", "partners": "/partners", "rules": "/rules", "audit": "/audit"}


class Transfer:
    """Counts the bytes that a page receives, headers included."""

    def __init__(self) -> None:
        self.bytes = 0

    async def watch(self, page: Page) -> None:
        """Count from now on; the browser's own count of what came over the wire, compressed."""
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Network.enable")
        devtools.on("Network.loadingFinished", self._finished)

    def _finished(self, event: dict[str, Any]) -> None:
        self.bytes += event["encodedDataLength"]


async def weight(browser: Browser, state: Any, address: str, complaints: list[str]) -> dict[str, int]:
    """Bytes of a first and of a second visit."""
    context = await browser.new_context(storage_state=state, locale="en", viewport={"width": 1440, "height": 900})
    page, transfer, found = await context.new_page(), Transfer(), dict[str, int]()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await transfer.watch(page)
    for visit in ("cold", "warm"):
        transfer.bytes = 0
        await page.goto(address, wait_until="load")
        await page.wait_for_timeout(1_500)  # what comes after the page, such as the history of a case
        found[visit] = transfer.bytes
    await context.close()
    return found


async def run(args: argparse.Namespace, console: RunningConsole, browser: Browser) -> dict[str, Any]:
    """Fill the console, and look at its pages."""
    await put_rules_in_force(console)
    await console.add_user("ann", "senior")
    used = [f"phone-{number % 5}" for number in range(PAYMENTS)]
    fill(
        console.history,
        [payment(n, "account-0000", n * 3_600_000 + 1_772_582_400_000, device_id=each) for n, each in enumerate(used)],
    )
    accounts = [f"account-{number:04d}" for number in range(args.cases)] * ALERTS_OF_A_CASE
    await console.cluster.publish_alerts(
        [suspicious(f"{number:032x}", account, "high") for number, account in enumerate(accounts)]
    )
    context = await browser.new_context(locale="en", viewport={"width": 1440, "height": 900}, base_url=console.url)
    ann = Analyst(await context.new_page())
    await ann.log_in(console.url, "ann")
    await ann.sees("#status-filter", f"Active {args.cases}")
    await console.add_user("ann", "admin")
    state, complaints = await context.storage_state(), ann.complaints
    first_rows = await first_row_ms(ann.page, console.url, args.loads)
    await console.add_user("ann", "senior")
    await ann.page.goto("/?text=account-0000")
    case = await ann.page.locator("#rows a[data-row]").first.get_attribute("href")
    await ann.page.goto(str(case))
    entity = await ann.page.locator("h1 a").get_attribute("href")
    pages = {**PAGES, "case": str(case), "account": str(entity)}
    weights = {}
    for name, path in pages.items():
        await console.add_user("ann", "admin" if name == "audit" else "senior")
        weights[name] = await weight(browser, state, console.url + path, complaints)
    return {
        "rows of the queue": min(args.cases, 50),
        "bytes": weights,
        "first row, ms": quantiles(first_rows),
        "errors in the browser": complaints,
    }


async def main() -> None:
    """Parse the flags, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--loads", type=int, default=20, help="of the queue, for its time")
    parser.add_argument("--chromium", default="chromium", help="path of the browser")
    args = parser.parse_args()
    async with console_and_browser(args.chromium) as (console, browser):
        print(json.dumps(await run(args, console, browser), indent=1))


if __name__ == "__main__":
    asyncio.run(main())
