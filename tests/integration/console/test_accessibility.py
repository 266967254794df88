"""axe-core finds no violation on any page of the console, light or dark, in English or Chinese."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest

from tests.integration.console.browser import Analyst, analyst, put_rules_in_force, suspicious, violations
from tests.integration.console.running_console import RunningConsole
from tests.unit.console.console_app import RULE_FILES
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import payment

pytestmark = pytest.mark.browser
RULE = next(path for path in sorted(RULE_FILES) if "/" in path).removesuffix(".yaml")
PAGES = (
    "/",
    "/?status=all",
    "/overview",
    "/partners",
    "/models",
    "/rules",
    f"/rules/{RULE}",
    f"/rules/{RULE}/draft",
    "/rules/new",
    "/audit",
    "/users",
    "/absences",
    "/password",
    "/no-such-page",
)


@pytest.fixture
async def ann(console: RunningConsole, chromium: str) -> AsyncIterator[Analyst]:
    """Logged in to a console with two cases, a history and rules, with a case open."""
    await put_rules_in_force(console)
    await console.add_user("ann", "admin")
    places: dict[str, Any] = {"lat": 52.5, "lon": 13.4, "channel": "web"}
    fill(
        console.history,
        [payment(0, "account-1001", device_id="phone", **places), payment(1, "account-1002", device_id="phone")],
    )
    async with analyst(chromium) as ann:
        await ann.page.goto(console.url)
        assert await violations(ann.page) == []
        await ann.log_in(console.url, "ann")
        await console.cluster.publish_alerts(
            [suspicious("a1", "account-1001", "high"), suspicious("a2", "account-1002", "medium")]
        )
        await ann.sees("#rows", "1001")
        yield ann


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_has_a_violation(ann: Analyst, console: RunningConsole, scheme: Literal["light", "dark"]) -> None:
    await ann.page.emulate_media(color_scheme=scheme)
    found = []
    for path in PAGES:
        await ann.page.goto(console.url + path)
        found += await violations(ann.page)
    await console.add_user("ann", "senior")
    await ann.page.goto(console.url)
    await ann.press("j", "Enter")
    await ann.sees("#past .timeline", "web")
    found += await violations(ann.page)
    await ann.press("f")
    found += await violations(ann.page)
    await ann.press("Escape", "?")
    found += await violations(ann.page)
    await ann.page.reload()
    await ann.page.locator("h1 a").click()
    await ann.sees("#payments", "fraudstream explain --event")
    found += await violations(ann.page)
    assert not found, "\n".join(found)
