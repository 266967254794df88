"""Fifty analysts work the queue while alerts come in: errors, conflicts, times, and when a row shows in a browser.

    python -m benchmarks.analysts --analysts 50 --alerts 20 --seconds 60

Runs an embedded broker and Redis, and the case agent and the console as processes of their own. Each alert
opens a case. One Chromium shows the newest cases: `alert to row` is from the producer's send to the row in its page,
`alert to case` to the record of the case.
A claim is wrong if two analysts are told that a case is theirs. Prints JSON; times are in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks.analysts.analyst import LoadAnalyst, Tally
from benchmarks.analysts.case_times import written_at_ms
from benchmarks.analysts.measured_console import console_and_browser
from benchmarks.analysts.row_watch import first_row_ms, seen_at_ms, watch_rows
from fraudstream.contracts.headers import origin_header, source_header
from tests.integration.cases.case_cluster import CaseCluster
from tests.integration.console.running_console import PASSWORD, RunningConsole
from tests.unit.cases.events import alert

BACKLOG: Final = 200
FIRST_ROWS: Final = 20


def cpu_s(pid: int) -> float:
    """The CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def rss_mb(pid: int) -> int:
    """The resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Count, median and 99th percentile."""
    if len(values) < 2:
        return {"count": len(values)}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"count": len(values), "p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}


class AlertSource:
    """Publishes alerts of new accounts. `sent_at_ms`: when each was sent."""

    def __init__(self, cluster: CaseCluster) -> None:
        self._cluster, self._count = cluster, 0
        self.sent_at_ms: dict[str, int] = {}

    async def publish(self, count: int, per_s: float, until: float = float("inf")) -> None:
        """Publish up to `count` alerts, `per_s` a second, until the monotonic time `until`."""
        settings, began = self._cluster.settings, time.monotonic()
        async with AIOKafkaProducer(**settings.brokers.options()) as producer:
            for number in range(count):
                await asyncio.sleep(max(began + number / per_s - time.monotonic(), 0))
                if time.monotonic() >= until:
                    return
                await self._publish_one(producer, settings.alerts_topic)

    async def _publish_one(self, producer: AIOKafkaProducer, topic: str) -> None:
        account = f"load-{self._count:07d}"
        now_ms = int(time.time() * 1000)
        each = alert(f"{self._count:032x}", account, "526.26", occurred_at_ms=now_ms)
        headers = [source_header(0, self._count), origin_header(0)]
        self._count += 1
        self.sent_at_ms[account] = now_ms
        await producer.send(topic, msgspec.json.encode(each), key=account.encode(), headers=headers)


async def logged_in(console: RunningConsole, name: str) -> httpx.AsyncClient:
    """A client with a session."""
    await console.add_user(name, "senior")
    client = httpx.AsyncClient(base_url=console.url, headers={"accept": "text/html"}, timeout=30.0)
    form = (await client.get("/login")).text
    token = re.search(r'name="csrf" value="([^"]+)"', form)
    assert token is not None
    answer = await client.post("/login", data={"csrf": token[1], "name": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return client


async def run(args: argparse.Namespace, console: RunningConsole, chromium: Any) -> dict[str, Any]:
    """The load, and what it showed."""
    alerts, tally = AlertSource(console.cluster), Tally()
    await alerts.publish(BACKLOG, 200)
    clients = [await logged_in(console, f"analyst-{number:02d}") for number in range(args.analysts)]
    context = await chromium.new_context(locale="en", viewport={"width": 1440, "height": 900})
    page, complaints = await context.new_page(), list[str]()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    cookies = [{"name": each.name, "value": each.value, "url": console.url} for each in clients[0].cookies.jar]
    await context.add_cookies(cookies)
    first_rows = await first_row_ms(page, f"{console.url}/?order=newest", FIRST_ROWS)
    await watch_rows(page)
    before, began = cpu_s(console.pid), time.monotonic()
    until = began + args.seconds
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(alerts.publish(10**9, args.alerts, until))
        for number, client in enumerate(clients):
            work = LoadAnalyst(f"analyst-{number:02d}", client, tally, args.think)
            tasks.create_task(work.work(until))
    lasted = time.monotonic() - began
    await asyncio.sleep(2.0)
    seen = await seen_at_ms(page)
    measured = list(alerts.sent_at_ms)[BACKLOG:]
    shown = [float(seen[name] - alerts.sent_at_ms[name]) for name in measured if name in seen]
    written = await written_at_ms(console.cluster)
    grouped = [float(written[name] - alerts.sent_at_ms[name]) for name in measured if name in written]
    statuses = {
        kind: {str(code): count for code, count in sorted(found.items())} for kind, found in tally.statuses.items()
    }
    return {
        "first row, quiet": quantiles(first_rows),
        "alert to case": quantiles(grouped),
        "alert to row": quantiles(shown) | {"never shown": len(measured) - len(shown)},
        "requests": {kind: quantiles([s * 1000 for s in found]) for kind, found in sorted(tally.seconds.items())},
        "statuses": statuses,
        "server errors": sum(n for found in tally.statuses.values() for code, n in found.items() if code >= 500),
        "faults": dict(tally.faults),
        "cases taken": len(tally.winners),
        "cases that two were told are theirs": sum(len(set(names)) > 1 for names in tally.winners.values()),
        "console CPU, cores": round((cpu_s(console.pid) - before) / lasted, 2),
        "console memory, MB": rss_mb(console.pid),
        "errors in the browser": complaints,
    }


async def main() -> None:
    """Parse the flags, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--analysts", type=int, default=50)
    parser.add_argument("--alerts", type=float, default=20, help="a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=3.0, help="mean seconds on each page")
    parser.add_argument("--chromium", default="chromium", help="path of the browser")
    args = parser.parse_args()
    async with console_and_browser(args.chromium) as (console, browser):
        print(json.dumps(await run(args, console, browser), indent=1))


if __name__ == "__main__":
    asyncio.run(main())
