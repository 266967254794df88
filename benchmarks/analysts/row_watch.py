"""A real browser on the queue: when each new case's row is there."""

from __future__ import annotations

import time
from typing import Final

from playwright.async_api import Page

_WATCH: Final = """
() => {
  window.seen = {};
  const look = () => {
    const text = document.querySelector("main").textContent;
    for (const [name] of text.matchAll(/load-\\d{7}/g)) window.seen[name] ??= Date.now();
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  look();
}
"""


async def watch_rows(page: Page) -> None:
    """Note from now on when an account `load-NNNNNNN` is first on the page."""
    await page.evaluate(_WATCH)


async def seen_at_ms(page: Page) -> dict[str, int]:
    """When each account was first on the page."""
    seen: dict[str, int] = await page.evaluate("window.seen")
    return seen


async def first_row_ms(page: Page, url: str, times: int) -> list[float]:
    """How long each of `times` loads of the queue takes from the request to the first row on the screen, with a warm
    cache. Two animation frames are waited for, so that the row is painted."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        await page.goto(url, wait_until="commit")
        await page.locator("#rows tbody tr").first.wait_for(state="visible")
        await page.evaluate("new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")
        found.append((time.perf_counter() - began) * 1000)
    return found
