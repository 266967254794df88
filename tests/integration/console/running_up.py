"""`fraudstream up`, run for pictures of its console, and the pictures."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.async_api import Page

from tests.integration.console.tour_payments import FRAUDSTREAM

START_S: Final = 1_200.0  # on a busy machine, compiling the kernel included
WAIT_MS: Final = 60_000
SIZE_MAX: Final = 150_000  # bytes of a picture
COLOURS: Final = 128


class Pictures:
    """Screenshots in a directory; none without one."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    async def take(self, page: Page, name: str) -> None:
        """A screenshot of what the window shows, as `name`.png."""
        if self._directory is None:
            return
        path = self._directory / f"{name}.png"
        await page.screenshot(path=path, animations="disabled")
        with Image.open(path) as picture:
            few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        size = path.stat().st_size
        assert size < SIZE_MAX, f"{path} has {size:,} bytes"
        print(f"{path}: {size:,} bytes", flush=True)


class Running:
    """`fraudstream up`: its addresses, and the environment in which commands find it."""

    def __init__(self, text: str) -> None:
        def found(pattern: str) -> str:
            match = re.search(pattern, text)
            assert match is not None, f"{pattern!r} is not in:\n{text}"
            return match[1]

        self.console = found(r"web console is at (http://\S+) ")
        self.password = found(r"password (\S+)\)")
        self.gateway = found(r"gateway takes payments at (http://[^/]+)/")
        servers = {
            "FRAUDSTREAM_KAFKA_BOOTSTRAP_SERVERS": found(r"broker: (\S+)"),
            "FRAUDSTREAM_REDIS_URL": found(r"redis: (\S+)"),
        }
        self.environment: Mapping[str, str] = {**os.environ, **servers}


@asynccontextmanager
async def running(log: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """`fraudstream up` with these arguments, once it has cases. What it prints goes to the file `log`."""
    command = (*FRAUDSTREAM, "up", "--plain", *arguments)
    variables = {**os.environ, **(environment or {})}
    with log.open("wb") as file:
        up = await asyncio.create_subprocess_exec(
            *command, stdout=file, stderr=asyncio.subprocess.STDOUT, env=variables
        )
    try:
        limit = time.monotonic() + START_S
        while not _has_cases(text := said(log)):
            assert up.returncode is None, text
            assert time.monotonic() < limit, text
            await asyncio.sleep(1.0)
        yield Running(said(log))
    finally:
        if up.returncode is None:
            up.send_signal(signal.SIGINT)
        await up.wait()


def said(log: Path) -> str:
    """What it has printed so far."""
    return log.read_text()


def _has_cases(text: str) -> bool:
    return "gateway takes" in text and re.search(r"\| [1-9][\d,]* open cases", text) is not None
