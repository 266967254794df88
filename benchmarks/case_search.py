"""The console's index of cases at size: how fast it is built from the topic, how large it is, how long questions take.

    python -m benchmarks.case_search 1000000

Publishes made-up cases of 400,000 accounts, 2 in 100 not closed, to an embedded broker, and follows them with the
console's feed and index. Before each question one case changes, so that no answer is kept from before, and the index
commits as it does when serving. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec.structs import replace

from fraudstream.console.feed import CaseFeed
from fraudstream.console.index import CaseIndex
from fraudstream.console.live import LiveChanges
from fraudstream.console.queue_order import ORDERS
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.search.disk_index import DiskIndex
from fraudstream.contracts import Case, CaseAlert, CaseNote
from fraudstream.contracts.case_values import CaseStatus, Disposition
from fraudstream.contracts.fields import SEVERITIES, Channel
from fraudstream.embedded import embedded_broker
from fraudstream.kafka import Brokers

TOPIC: Final = "cases"
PARTITIONS: Final = 4
ACCOUNTS: Final = 400_000
ACTIVE: Final = 0.02
ACTIVE_STATUSES: Final[tuple[CaseStatus, ...]] = ("new", "assigned", "in_review", "waiting", "escalated")
NOW_MS: Final = 1_772_625_600_000
YEAR_MS: Final = 365 * 24 * 3600 * 1000
ANALYSTS: Final = [f"analyst-{number:02d}" for number in range(50)]
QUEUES: Final = ("cards", "transfers", "wallets", "lending")
RULES: Final = [
    f"{typology}/rule_{number}" for typology in ("mule", "card_testing", "dormant", "cash_out") for number in range(8)
]
PLACES: Final[tuple[tuple[Channel, str | None], ...]] = (
    ("app", None),
    ("web", None),
    ("pos", None),
    *(("partner", f"partner-{number:02d}") for number in range(40)),
)
LEVELS: Final[tuple[tuple[int | None, int | None], ...]] = (
    (None, None),
    (None, None),
    (NOW_MS, None),
    (NOW_MS, NOW_MS),
)
WORDS: Final = [f"{first}{last}" for first in ("call", "card", "pay", "shop", "mail", "bank") for last in range(500)]
CHINESE: Final = ("客户否认此笔付款", "已致电客户确认", "设备与其他账户共用", "等待合作方答复")
ROWS: Final = 50
QUESTIONS: Final = 200

encode = msgspec.json.Encoder().encode


def made_case(number: int) -> Case:
    """The case of that number; always the same."""
    chance = random.Random(number)
    opened_ms = NOW_MS - chance.randrange(YEAR_MS)
    rules = tuple(chance.sample(RULES, chance.choice((1, 1, 2, 3))))
    score, severity = round(chance.random(), 6), chance.choice(SEVERITIES)
    closed = chance.random() >= ACTIVE
    status: CaseStatus = "closed" if closed else chance.choice(ACTIVE_STATUSES)
    ends: tuple[Disposition, ...] = ("confirmed_fraud", "false_positive", "false_positive", "inconclusive")
    account = f"acct-{chance.randrange(ACCOUNTS):07d}"
    place = random.Random(number * 31).choice(PLACES)
    warned_at_ms, breached_at_ms = random.Random(number * 37).choice(LEVELS)
    alerts = tuple(
        CaseAlert(
            f"{chance.getrandbits(128):032x}",
            f"pay-{chance.getrandbits(40):012d}",
            opened_ms,
            severity,
            score,
            "120.50",
            "EUR",
            rules,
            *place,
        )
        for _ in range(chance.choice((1, 1, 2, 4)))
    )
    text = " ".join(chance.choices(WORDS, k=12)) + (f" {chance.choice(CHINESE)}" if number % 4 == 0 else "")
    return Case(
        case_id=f"{random.Random(~number).getrandbits(128):032x}",
        account_id=account,
        status=status,
        version=3,
        opened_at_ms=opened_ms,
        updated_at_ms=opened_ms + chance.randrange(48 * 3_600_000),
        severity=severity,
        score=score,
        alert_count=len(alerts),
        alerts=alerts,
        amount_totals={"EUR": "120.50"},
        rules=rules,
        assignee=None if status == "new" else chance.choice(ANALYSTS),
        disposition=chance.choice(ends) if closed else None,
        queue=chance.choice(QUEUES),
        amount_at_risk="120.50",
        warned_at_ms=warned_at_ms,
        breached_at_ms=breached_at_ms,
        notes=(CaseNote(opened_ms, "analyst-01", "note", text),) if closed or number % 2 else (),
    )


async def create_topic(brokers: Brokers) -> None:
    """Create the topic of cases."""
    admin = AIOKafkaAdminClient(**brokers.options())
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    finally:
        await admin.close()


async def publish(brokers: Brokers, count: int) -> None:
    """Publish the cases 0 to `count`."""
    producer = AIOKafkaProducer(**brokers.options(), linger_ms=20, max_batch_size=500_000)
    await producer.start()
    try:
        for first in range(0, count, 2_000):
            batch = producer.create_batch()
            for number in range(first, min(first + 2_000, count)):
                case = made_case(number)
                record = {"key": case.case_id.encode(), "value": encode(case), "timestamp": None}
                if batch.append(**record) is None:
                    await producer.send_batch(batch, TOPIC, partition=first // 2_000 % PARTITIONS)
                    batch = producer.create_batch()
                    batch.append(**record)
            await producer.send_batch(batch, TOPIC, partition=first // 2_000 % PARTITIONS)
        await producer.flush()
    finally:
        await producer.stop()


class Following:
    """The feed and the index of a console, as `fraudstream console` runs them."""

    def __init__(self, brokers: Brokers, directory: Path, *, rebuild: bool = False) -> None:
        self.disk = DiskIndex(directory, lambda: time.time_ns() // 1_000_000, rebuild=rebuild)
        self.index, self.live = CaseIndex(self.disk), LiveChanges()
        feed = CaseFeed(brokers, TOPIC, self.index, self.live, committed_only=False, fetch_wait_ms=20)
        self._tasks = [asyncio.create_task(feed.run()), asyncio.create_task(self.index.run())]

    async def until_live(self) -> None:
        """Until the topic has been read to its end."""
        while self.live.state != "live":  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def has(self, case: Case) -> bool:
        """Whether the index has this version of the case."""
        row = self.index.row(case.case_id)
        return row is not None and row.version == case.version

    async def close(self) -> None:
        """Stop both."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.index.close()


def memory_mb() -> dict[str, int]:
    """Resident memory of this process, its own and of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines if line.startswith("Rss")}
    return {"own_mb": found["RssAnon"], "files_mb": found["RssFile"]}


def questions(count: int, chance: random.Random) -> Iterator[tuple[str, Callable[[CaseIndex], object]]]:
    """Each kind of question, with what asks one of it."""

    def page(after_share: float = 0.0, **query: Any) -> Callable[[CaseIndex], object]:
        asked = QueueQuery(**query)
        after = None if not after_share else (_place(asked, after_share), "")
        return lambda index: index.page(asked, after, ROWS)

    yield "queue page", page(order=chance.choice(ORDERS))
    status = chance.choice(("in_review", "closed", "all"))
    yield "three filters with total", page(queue=chance.choice(QUEUES), severity="high", status=status)
    yield "two words and a filter", page(text=" ".join(chance.sample(WORDS, 2)), status="closed")
    yield "Chinese text, all cases", page(text=chance.choice(("否认", "设备", "客户确认")), status="all")
    yield "10 characters of an id", page(text=f"pay-{chance.randrange(10**6):06d}", status="all")
    yield "5 characters of an id, that many begin with", page(text=f"pay-{chance.randrange(10)}", status="all")
    account = made_case(chance.randrange(count)).account_id
    yield "cases of an account", lambda index: index.of_account(account)
    yield "an account's id as text", page(text=account, status="all")
    yield "deep page, all cases", page(0.5, status="all", order="newest")
    yield "deep page, not closed", page(0.5, order="oldest")
    case = made_case(chance.randrange(count))
    yield "previous and next", lambda index: _neighbours(index, case)


def _place(query: QueueQuery, share: float) -> int:
    """A place in the order that about `share` of the cases are before."""
    back_ms = round(YEAR_MS * share)
    return ((2**52 - NOW_MS + back_ms) if query.order == "newest" else NOW_MS - back_ms) << 8


def _neighbours(index: CaseIndex, case: Case) -> object:
    row = index.row(case.case_id)
    assert row is not None
    return index.neighbours(row, QueueQuery(status="all"))


async def ask(index: CaseIndex, count: int) -> dict[str, dict[str, float]]:
    """Times of `QUESTIONS` questions of each kind, ms: until the answer, and of the processor (`cpu_…`)."""
    times, cpu_times = dict[str, list[float]](), dict[str, list[float]]()
    chance = random.Random(5)
    for number in range(QUESTIONS):
        for name, question in questions(count, chance):
            case = made_case(chance.randrange(count))
            index.put(replace(case, version=1_000 + number * 20 + len(times)), 0)
            begin = time.perf_counter()
            cpu_ms = await asyncio.to_thread(_cpu_ms, question, index)
            times.setdefault(name, []).append((time.perf_counter() - begin) * 1e3)
            cpu_times.setdefault(name, []).append(cpu_ms)
    return {
        name: percentiles(each) | {f"cpu_{key}": ms for key, ms in percentiles(cpu_times[name]).items()}
        for name, each in times.items()
    }


def _cpu_ms(question: Callable[[CaseIndex], object], index: CaseIndex) -> float:
    begin = time.thread_time()
    question(index)
    return (time.thread_time() - begin) * 1e3


async def updates(brokers: Brokers, following: Following, count: int) -> dict[str, float]:
    """From a record published to its case in the index, ms, at 20 a second."""
    producer, taken = AIOKafkaProducer(**brokers.options()), list[float]()
    await producer.start()
    try:
        for number in range(200):
            case = replace(made_case(number * 997 % count), version=1_000_000 + number, status="closed")
            begin = time.perf_counter()
            await producer.send_and_wait(TOPIC, encode(case), key=case.case_id.encode(), partition=0)
            while not following.has(case):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            taken.append((time.perf_counter() - begin) * 1e3)
            await asyncio.sleep(0.05)
    finally:
        await producer.stop()
    return percentiles(taken)


def percentiles(times: list[float]) -> dict[str, float]:
    """The median and the 99th percentile of times, rounded."""
    times.sort()
    return {"p50": round(times[len(times) // 2], 2), "p99": round(times[len(times) * 99 // 100], 2)}


async def measure(brokers: Brokers, directory: Path, count: int) -> dict[str, object]:
    """All figures for `count` cases."""
    await create_topic(brokers)
    await publish(brokers, count)
    print(f"{count} cases published", flush=True)
    begin_s, cpu_s, empty = time.perf_counter(), time.process_time(), memory_mb()
    following = Following(brokers, directory, rebuild=True)
    await following.until_live()
    took_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
    found: dict[str, object] = {
        "cases": following.disk.committed.case_count,
        "rebuild_cases_per_s": round(count / took_s),
        "rebuild_cpu_us_per_case": round(cpu_s / count * 1e6, 1),
        "disk_mb": following.disk.size_bytes() >> 20,
        "before": empty,
        "after_rebuild": memory_mb(),
    }
    print(json.dumps(found), flush=True)
    await following.close()
    begin_s = time.perf_counter()
    following = Following(brokers, directory)
    await following.until_live()
    found["restart_s"] = round(time.perf_counter() - begin_s, 2)
    found["after_restart"] = memory_mb()
    found["questions_ms"] = await ask(following.index, count)
    found["update_to_visible_ms"] = await updates(brokers, following, count)
    found["after_questions"] = memory_mb()
    await following.close()
    return found


def main() -> int:
    """Measure as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.case_search", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("count", metavar="N", type=int, nargs="?", default=1_000_000)
    count = parser.parse_args().count
    with embedded_broker() as address, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        brokers = Brokers(address)
        found = asyncio.run(measure(brokers, Path(directory), count))
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
