"""What both measurements run on: an embedded broker and Redis, case agent and console as processes, and Chromium."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from fraudstream.embedded import embedded_broker, embedded_redis
from tests.integration.cases.case_cluster import CaseCluster
from tests.integration.console.running_console import RunningConsole, running_console


@asynccontextmanager
async def console_and_browser(chromium: str) -> AsyncIterator[tuple[RunningConsole, Browser]]:
    """A console without cases, and a browser. `chromium`: path of the browser."""
    unique = uuid.uuid4().hex[:8]
    with tempfile.TemporaryDirectory() as directory, embedded_broker() as broker, embedded_redis() as redis_url:
        cluster = CaseCluster(broker, redis_url, lambda name: f"{name}-{unique}")
        await cluster.create_topics()
        log = Path(directory) / "log"
        async with (
            running_console(cluster, log, agent_process=True) as console,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            yield console, browser
            await browser.close()
