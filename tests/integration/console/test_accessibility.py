"""axe-core finds no violation on any page of the console, light or dark, in English or Chinese."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute
from playwright.async_api import Page

from fraudstream.console.app import PAGES
from tests.integration.console import browser
from tests.integration.console.browser import Analyst, analyst, put_rules_in_force, suspicious
from tests.integration.console.running_console import RunningConsole
from tests.unit.console.console_app import RULE_FILES
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import payment

pytestmark = pytest.mark.browser
RULE: Final = next(path for path in sorted(RULE_FILES) if "/" in path).removesuffix(".yaml")
CASE: Final = "#rows tbody a"
# Each page: the addresses that are looked at. `{case}` and the like are found on other pages first.
VISITS: Final[Mapping[str, tuple[str, ...]]] = {
    "/": ("/", "/?status=all", "/?text=nothing"),
    "/cases/{case_id}": ("{case}",),
    "/history/{kind}/{reference}": ("{entity}",),
    "/overview": ("/overview", "/overview?days=90"),
    "/partners": ("/partners",),
    "/models": ("/models",),
    "/rules": ("/rules",),
    "/rules/new": ("/rules/new",),
    "/rules/{typology}/{rule}": (f"/rules/{RULE}",),
    "/rules/{typology}/{rule}/draft": (f"/rules/{RULE}/draft",),
    "/rules/thresholds": ("/rules/thresholds",),
    "/lists": ("/lists",),
    "/lists/{name}": ("/lists/stolen_devices",),
    "/changes": ("/changes",),
    "/cases/{case_id}/alerts/{alert_id}": ("{alert}",),
    "/payments/{reference}": ("{payment}",),
    "/proposals/{proposal_id}": ("{proposal}", "{listed}"),
    "/trials/{trial_id}": ("{trial}",),
    "/audit": ("/audit", "/audit?actor=nobody"),
    "/users": ("/users",),
    "/absences": ("/absences",),
    "/password": ("/password",),
    "/login": (),  # the fixture looks at it, before the log-in
}
NOT_PAGES: Final = {
    *("/audit/export", "/cases/{case_id}/report", "/cases/{case_id}/files/{sha256}"),
    *("/live", "/healthz", "/readyz"),
    *("/login/openid", "/login/openid/callback"),
}
SCHEMES: Final = ("light", "dark")
DIALOGS: Final = "dialog[id]"
LANGUAGES: Final = {"en": "en", "zh-CN": "zh-Hans"}  # of the browser: of the page


def test_every_page_is_looked_at() -> None:
    """A new page is added to `VISITS`; what is no page, to `NOT_PAGES`."""
    routes = [route for router in PAGES for route in router.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes if "GET" in (route.methods or ())} == set(VISITS) | NOT_PAGES


async def violations(page: Page) -> list[str]:
    """What axe-core reports on the page as it is, light and dark, a line for each element."""
    lines = []
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        lines += [f"{scheme}: {each}" for each in await browser.violations(page)]
    return lines


async def too_wide(page: Page) -> list[str]:
    """The page, if it is wider than the window once the counts of the filters have six digits."""
    await page.evaluate("document.querySelectorAll('.chips b').forEach(each => { each.textContent = '123456' })")
    width = await page.evaluate("document.documentElement.scrollWidth")
    return [f"{page.url}: {width} pixels wide"] if width > 900 else []


async def dialog_violations(page: Page) -> list[str]:
    """The same of the page with each of its dialogs open."""
    found = []
    for dialog in await page.locator(DIALOGS).all():
        await dialog.evaluate("each => each.showModal()")
        found += await violations(page)
        await dialog.evaluate("each => each.close()")
    return found


async def found_addresses(ann: Analyst) -> dict[str, str]:
    """The addresses of pages that have an id: of a case, its account and payments, of proposals, and of a trial."""
    page = ann.page
    await page.goto("/")
    found = {"case": await page.locator(CASE).first.get_attribute("href") or ""}
    await page.goto(found["case"])
    found["entity"] = await page.locator("h1 a").get_attribute("href") or ""
    found["alert"] = await page.locator("#payments th a").first.get_attribute("href") or ""
    await page.goto(found["entity"])
    found["payment"] = await page.locator("#payments th a").first.get_attribute("href") or ""
    await page.goto("/lists/stolen_devices")
    await page.locator("[name=values]").fill("phone")
    await page.locator("form[action$='/add'] [name=note]").fill("stolen")
    await page.locator("form[action$='/add'] button").click()
    await page.wait_for_url("**/proposals/*")
    found["listed"] = page.url
    for name, button in (("proposal", "propose"), ("trial", "test")):
        await page.goto(f"/rules/{RULE}/draft")
        await page.locator(f"[formaction$='/{button}']").click()
        await page.wait_for_url(f"**/{name}s/*")
        found[name] = page.url
    return found


@pytest.fixture(params=LANGUAGES)
async def ann(console: RunningConsole, chromium: str, request: pytest.FixtureRequest) -> AsyncIterator[Analyst]:
    """Logged in to a console with two cases, a history and rules."""
    await put_rules_in_force(console)
    await console.add_user("ann", "senior")
    places: dict[str, Any] = {"lat": 52.5, "lon": 13.4, "channel": "web"}
    fill(
        console.history,
        [payment(0, "account-1001", device_id="phone", **places), payment(1, "account-1002", device_id="phone")],
    )
    async with analyst(chromium, locale=request.param, base_url=console.url) as ann:
        await ann.page.goto("/")
        assert await ann.page.locator("html").get_attribute("lang") == LANGUAGES[request.param]
        assert await violations(ann.page) == []
        await ann.log_in(console.url, "ann")
        await console.cluster.publish_alerts(
            [suspicious("a1", "account-1001", "high"), suspicious("a2", "account-1002", "medium")]
        )
        await ann.sees("#rows", "1001")
        yield ann


async def test_no_page_has_a_violation(ann: Analyst, console: RunningConsole) -> None:
    found, addresses = [], await found_addresses(ann)
    english = await ann.page.locator("html").get_attribute("lang") == "en"
    for role in ("senior", "admin") if english else ("admin",):  # what depends on the role is seen in one language
        await console.add_user("ann", role)
        for path in [path for paths in VISITS.values() for path in paths] + ["/no-such-page"]:
            await ann.page.goto(path.format(**addresses))
            found += await violations(ann.page) + await too_wide(ann.page)
    assert not found, "\n".join(found)


async def test_no_dialog_and_no_live_part_has_a_violation(ann: Analyst) -> None:
    await ann.press("j", "Enter")
    await ann.sees("#past .timeline", "web")
    found = await violations(ann.page) + await dialog_violations(ann.page)
    await ann.press("?")
    found += await violations(ann.page)
    await ann.page.reload()
    await ann.page.locator("h1 a").click()
    await ann.sees("#payments", "fraudstream explain --event")
    found += await violations(ann.page)
    assert not found, "\n".join(found)
