"""An analyst in a real Chromium, and the alerts and rules that a console is tried with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from axe_playwright_python.async_playwright import Axe
from msgspec.structs import replace
from playwright.async_api import Page, async_playwright, expect

from fraudstream.contracts import Alert, Evidence, FeatureValue, RuleHit, ScorePart
from fraudstream.controls.topic import ControlsTopic
from fraudstream.controls.writer import keep, rule_set_records
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.operations.apply_topics import apply_topics
from fraudstream.stream.topics.file import Topic
from tests.integration.console.running_console import PASSWORD, RunningConsole, controls_of
from tests.unit.cases.events import alert
from tests.unit.console.console_app import RULE_FILES

WAIT_MS = 30_000
HOSTILE = "<img src=x onerror=document.title='owned'>\u202e"


def suspicious(alert_id: str, account_id: str, severity: str) -> Alert:
    evidence = (
        Evidence("amount", ">", "4 * account.amount_mean_30d", "526.26 EUR", "240.60 EUR", 1.2),
        Evidence("channel", "in", '("app", "web")', "web", '("app", "web")'),
    )
    each = alert(alert_id, account_id, "526.26", severity=severity)
    return replace(
        each,
        rules=(RuleHit("takeover/large", "id", "Large payment", each.severity, f"526.26 EUR to {HOSTILE}", evidence),),
        features=(FeatureValue("account.amount_mean_30d", "60.15 EUR"),),
        score_parts=(ScorePart("new_device", 0.2, 0.2, "true"), ScorePart("amount", 0.3, 0.5, "8.75", "60.15 EUR")),
        payment=replace(each.payment, device_id=HOSTILE, attributes={"purpose": HOSTILE}),
    )


class Analyst:
    """A page, and what its console reported."""

    def __init__(self, page: Page) -> None:
        self.page, self.complaints = page, list[str]()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(WAIT_MS)

    async def log_in(self, url: str, name: str) -> None:
        await self.page.goto(url)
        await self.page.keyboard.type(name)  # the first field has the focus
        await self.page.keyboard.press("Tab")
        await self.page.keyboard.type(PASSWORD)
        await self.page.keyboard.press("Enter")
        await self.sees("#rows")

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def writes(self, text: str) -> None:
        """Type into the field that has the focus, and send its form."""
        await self.page.keyboard.type(text)
        await self.press("Control+Enter")

    async def sees(self, selector: str, text: str = "") -> None:
        await expect(self.page.locator(selector).first).to_contain_text(text, timeout=WAIT_MS)


@asynccontextmanager
async def analyst(
    chromium: str, *, locale: str = "en", width: int = 900, base_url: str | None = None
) -> AsyncIterator[Analyst]:
    """A user in a browser of its own. `base_url`: of the console, so that pages can be named by their path."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            context = await browser.new_context(
                locale=locale, viewport={"width": width, "height": 900}, base_url=base_url
            )
            yield Analyst(await context.new_page())
        finally:
            await browser.close()


async def violations(page: Page) -> list[str]:
    """What axe-core reports on the page as it is, a line for each element."""
    found = await Axe().run(page)
    return [
        f"{page.url}: {each['id']} ({each['impact']}): {' '.join(node['target'])}: {node['html'][:120]}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


async def put_rules_in_force(console: RunningConsole, files: Mapping[str, str] = RULE_FILES) -> None:
    brokers, controls = console.cluster.settings.brokers, controls_of(console.cluster)
    await apply_topics(brokers, [Topic(controls, 1, 1, {"cleanup.policy": "compact"})])
    rule_set = compile_rule_set(files)
    await keep(ControlsTopic(brokers, controls, idempotent=False), rule_set_records(rule_set.digest, rule_set.files))
