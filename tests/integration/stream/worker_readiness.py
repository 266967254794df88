"""What a worker process answers at `/readyz`."""

from __future__ import annotations

import asyncio
import re
import urllib.request

from tests.integration.stream.process import WAIT_S, ChildProcess


async def until_followed(worker: ChildProcess) -> None:
    """Wait until the standby has read the changelog to its end, by what its `/readyz` says."""
    async with asyncio.timeout(WAIT_S):
        while "standby for 1 partitions, 0 changelog records behind" not in await readiness(worker):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def readiness(worker: ChildProcess) -> str:
    """The body of `/readyz`; "" before it is served."""
    found = re.search(r"metrics at (http://\S+)/metrics", worker.log.read_text())
    if found is None:
        return ""

    def ask() -> str:
        try:
            with urllib.request.urlopen(f"{found[1]}/readyz", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    return await asyncio.to_thread(ask)
