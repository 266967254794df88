"""The overview of the console at size: processor time of its counts, over the cases of `benchmarks.case_search`.

    python -m benchmarks.case_overview 1000000

Fills an index without a broker. Before each question one case changes, so that no answer is kept from before, and the
index commits as it does when serving. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from benchmarks.case_search import NOW_MS, QUEUES, made_case, memory_mb, percentiles
from fraudstream.console.access.teams import Team
from fraudstream.console.index import CaseIndex
from fraudstream.console.overview.case_figures import DAYS, case_figures
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.rules.activity import rule_activity
from fraudstream.console.search.disk_index import DiskIndex

QUESTIONS: Final = 200
UTC: Final = ZoneInfo("UTC")


async def fill(index: CaseIndex, count: int) -> None:
    """The cases 0 to `count`."""
    await index.follow("made-up")
    for number in range(count):
        index.put(made_case(number), 0)
        if number % 1_000 == 0:
            await index.make_room()
    index.on_read(0, count)
    await index.on_live()


def questions(index: CaseIndex) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each kind of question, with what asks one of it."""
    for days in DAYS:
        yield f"overview of {days} days", partial(case_figures, index.tally, days, None, UTC, NOW_MS)
    team = Team("cards", QUEUES[:1])
    yield "overview of 7 days, a team's", lambda: case_figures(index.tally, 7, team, UTC, NOW_MS)
    yield "rules, 90 days", lambda: rule_activity(index.tally, 90, None, UTC, NOW_MS)
    yield "queue page", lambda: index.page(QueueQuery(), None, 50)


async def ask(index: CaseIndex, count: int) -> dict[str, dict[str, float]]:
    """Times of `QUESTIONS` questions of each kind, ms: until the answer, and of the processor (`cpu_…`)."""
    times, cpu_times = dict[str, list[float]](), dict[str, list[float]]()
    chance = random.Random(5)
    for number in range(QUESTIONS):
        for name, question in questions(index):
            index.put(replace(made_case(chance.randrange(count)), version=1_000 + number * 10 + len(times)), 0)
            begin = time.perf_counter()
            cpu_ms = await asyncio.to_thread(_cpu_ms, question)
            cpu_times.setdefault(name, []).append(cpu_ms)
            times.setdefault(name, []).append((time.perf_counter() - begin) * 1e3)
    return {
        name: percentiles(each) | {f"cpu_{key}": ms for key, ms in percentiles(cpu_times[name]).items()}
        for name, each in times.items()
    }


def _cpu_ms(question: Callable[[], object]) -> float:
    begin = time.thread_time()
    question()
    return (time.thread_time() - begin) * 1e3


async def measure(directory: Path, count: int) -> dict[str, object]:
    """All figures for `count` cases."""
    disk = DiskIndex(directory, lambda: time.time_ns() // 1_000_000)
    index = CaseIndex(disk)
    cpu_s = time.process_time()
    await fill(index, count)
    found: dict[str, object] = {
        "cases": disk.committed.case_count,
        "fill_cpu_us_per_case": round((time.process_time() - cpu_s) / count * 1e6, 1),
        "disk_mb": disk.size_bytes() >> 20,
    }
    committing = asyncio.create_task(index.run())
    found["questions_ms"] = await ask(index, count)
    committing.cancel()
    found["after_questions"] = memory_mb()
    await index.close()
    return found


def main() -> int:
    """Measure as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.case_overview", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("count", metavar="N", type=int, nargs="?", default=1_000_000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        found = asyncio.run(measure(Path(directory), count))
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
