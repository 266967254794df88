"""One analyst: keeps a page up to date as a browser does, takes the next case or one that a colleague wants too."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Final

import httpx

REFRESH_PAUSE_S: Final = 0.25  # as in static/live.js: between two copies of a page
REFRESH_PAUSE_RATIO: Final = 1.0  # and so many times what the last one took
CONTESTED: Final = 0.25  # how often an analyst claims the first row of the queue, which others see as well
_ROW: Final = re.compile(r'href="/cases/([0-9a-f]{32})')
_SHOWN_ROW: Final = re.compile(r'data-(?:digest|kept)="([0-9a-f]+)"')
_TOKEN: Final = re.compile(r'name="csrf" value="([^"]+)"')


class Tally:
    """What all analysts have met. `seconds`: of each kind of request. `winners`: who was told that a case is theirs."""

    def __init__(self) -> None:
        self.seconds = defaultdict[str, list[float]](list)
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.winners = defaultdict[str, list[str]](list)
        self.faults = Counter[str]()


class LoadAnalyst:
    """`client`: logged in. `think_s`: the mean time on each page."""

    def __init__(self, name: str, client: httpx.AsyncClient, tally: Tally, think_s: float) -> None:
        self._name, self._client, self._tally, self._think_s = name, client, tally, think_s
        self._chance = random.Random(name)
        self._path = "/"
        self._changed = asyncio.Event()
        self._known_rows = ""  # digests of those on the page
        self._queue = ""

    async def work(self, until: float) -> None:
        """Work until the monotonic time `until`."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._listen()), tasks.create_task(self._refresh())]
            while time.monotonic() < until:
                try:
                    await self._one_case()
                except httpx.HTTPError as error:
                    self._tally.faults[type(error).__name__] += 1
            for each in beside:
                each.cancel()

    async def _one_case(self) -> None:
        self._path = "/"
        self._queue = await self._ask("queue", "GET", "/")
        self._known_rows = " ".join(_SHOWN_ROW.findall(self._queue))
        await self._think()
        case_id = await (self._claim_seen() if self._chance.random() < CONTESTED else self._take_next())
        if case_id is None:
            return
        self._path, self._known_rows = f"/cases/{case_id}", ""
        await self._ask("case", "GET", self._path)
        await self._think()
        await self._act("note", case_id, note="called the customer, who knows the payment")
        await self._think()
        await self._act("close", case_id, disposition="false_positive")

    async def _take_next(self) -> str | None:
        answer = await self._send("take next", "POST", "/next", data={"csrf": self._token()})
        if answer.status_code != 303:
            return None
        case_id = answer.headers["location"].removeprefix("/cases/")[:32]
        self._tally.winners[case_id].append(self._name)
        return str(case_id)

    async def _claim_seen(self) -> str | None:
        rows = _ROW.findall(self._queue)
        if not rows:
            return None
        answer = await self._act("claim", rows[0])
        if answer.status_code != 200:
            return None
        self._tally.winners[rows[0]].append(self._name)
        return str(rows[0])

    async def _act(self, action: str, case_id: str, **fields: str) -> httpx.Response:
        return await self._send(action, "POST", f"/cases/{case_id}/{action}", data={"csrf": self._token(), **fields})

    async def _ask(self, kind: str, method: str, path: str) -> str:
        return (await self._send(kind, method, path)).text

    async def _send(self, kind: str, method: str, path: str, **more: object) -> httpx.Response:
        began = time.perf_counter()
        answer = await self._client.request(method, path, **more)  # type: ignore[arg-type]
        self._tally.seconds[kind].append(time.perf_counter() - began)
        self._tally.statuses[kind][answer.status_code] += 1
        return answer

    def _token(self) -> str:
        found = _TOKEN.search(self._queue)
        return found[1] if found else ""

    async def _think(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.5, 1.5) * self._think_s)

    async def _listen(self) -> None:
        """The event stream, as the browser holds it."""
        while True:
            with suppress(httpx.HTTPError):
                async with self._client.stream("GET", "/live") as stream:
                    async for line in stream.aiter_lines():
                        if line.startswith("data: ") and (self._path == "/" or self._path[7:] in line):
                            self._changed.set()
            self._tally.faults["event stream ended"] += 1
            await asyncio.sleep(1.0)

    async def _refresh(self) -> None:
        """A newer copy of the page after each change."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = time.monotonic()
            with suppress(httpx.HTTPError):
                await self._refresh_once()
            await asyncio.sleep(max(REFRESH_PAUSE_S, REFRESH_PAUSE_RATIO * (time.monotonic() - began)))

    async def _refresh_once(self) -> None:
        """As static/live.js does: rows that the page has are named, and not sent again."""
        path = self._path
        headers = {"x-refresh": "1", "x-known-rows": self._known_rows}
        answer = await self._send("refresh", "GET", path, headers=headers)
        if path == self._path == "/":
            self._known_rows = " ".join(_SHOWN_ROW.findall(answer.text))
