"""Time to restore the state of many accounts, and to fail over the partitions of a killed worker, on Apache Kafka.

    python -m benchmarks.recovery --kafka 127.0.0.1:19092 --accounts 1000000
    python -m benchmarks.recovery --kafka 127.0.0.1:19092 --accounts 100000 --take-over

Every account pays once and some much more often, with the shipped rules. By default a worker processes all payments and
is stopped; the time is from the start of the next worker until it processes. `--take-over`: two workers share such a
state and a steady stream; one is killed with SIGKILL and not restarted; the times are from there to the first decision
in the slowest partition, and until no payment waits any more. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.chaos.environment import Environment
from benchmarks.chaos.load import Item
from benchmarks.chaos.observed import observe
from benchmarks.chaos.processes import Process, Supervisor
from benchmarks.chaos.publisher import Publisher
from benchmarks.chaos.recovery_times import first_decision_s, outages, recovery_s
from benchmarks.chaos.run import until_consumed, until_processing
from benchmarks.chaos.servers import RedisServer
from benchmarks.chaos.topic_reader import read_partition
from benchmarks.state import batches
from fraudstream.kafka import Brokers

RULES: Final = Path(__file__).parents[1] / "rules"
PARTITIONS: Final = 8
SESSION_S: Final = 10.0  # the default
PUBLISH_RATE: Final = 40_000.0
STEADY_RATE: Final = 1_000.0
STEADY_S: Final = 60.0
KILL_AFTER_S: Final = 15.0
CONSUMED_S_MAX: Final = 900.0
PROCESSING: Final = re.compile(r"processing partitions ([\d, ]+)")

_encode = msgspec.json.Encoder().encode


def main() -> int:
    """Run the measurement of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recovery", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--kafka", metavar="HOST:PORT", required=True)
    parser.add_argument("--accounts", metavar="N", type=int, default=1_000_000)
    parser.add_argument(
        "--take-over", action="store_true", help="measure the failover after one of two workers is killed"
    )
    parser.add_argument("--logs", metavar="DIR", type=Path, help="directory in which to keep the logs")
    args = parser.parse_args()
    measured = asyncio.run(_measure(args.kafka, args.accounts, args.take_over, args.logs))
    print(json.dumps(measured))
    return 0


async def _measure(brokers: str, accounts: int, take_over: bool, logs: Path | None) -> dict[str, object]:
    with RedisServer() as redis, tempfile.TemporaryDirectory(prefix="fraudstream-recovery-") as scratch:
        directory = logs or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        environment = Environment(
            Brokers(brokers),
            redis.url,
            kafka=True,
            suffix=f"recovery-{random.SystemRandom().randrange(1 << 32):08x}",
            partitions=PARTITIONS,
            rules=RULES,
            checkpoint_s=5.0,
            session_s=SESSION_S,
        )
        await environment.create_topics()
        if take_over:
            return {"accounts": accounts} | await _take_over(environment, redis, accounts, directory)
        return {"accounts": accounts} | await _recovery(environment, accounts, directory)


async def _recovery(environment: Environment, accounts: int, directory: Path) -> dict[str, object]:
    first = Process("first", ["worker", "--no-decisions", *environment.flags()], directory)
    second = Process("second", ["worker", "--no-decisions", *environment.flags()], directory)
    async with Supervisor([first, second]) as supervisor:
        await _fill(environment, accounts, [first], supervisor)
        await first.stop()
        records = [
            record
            for number in range(PARTITIONS)
            for record in await read_partition(environment, environment.changelog, number, committed=True)
        ]
        started = time.monotonic()
        second.start()
        await until_processing([second], supervisor)
        seconds = time.monotonic() - started
        await second.stop()
    size = sum(len(record.key) + len(record.value) for record in records)
    return {
        "changelog_records": len(records),
        "changelog_bytes": size,
        "recovery_s": round(seconds, 2),  # includes the start of Python and joining the group
        "accounts_per_s": round(accounts / seconds),
        "records_per_s": round(len(records) / seconds),
    }


async def _take_over(environment: Environment, redis: RedisServer, accounts: int, directory: Path) -> dict[str, object]:
    dying = Process("dying", ["worker", *environment.flags()], directory)
    surviving = Process("surviving", ["worker", *environment.flags()], directory)
    async with Supervisor([dying, surviving]) as supervisor:
        await _fill(environment, accounts, [dying, surviving], supervisor)
        steady = [
            item for _, item in zip(range(int(STEADY_RATE * STEADY_S)), _payments(accounts, "steady"), strict=False)
        ]
        publishing = asyncio.create_task(Publisher(environment, steady, STEADY_RATE).run())
        await asyncio.sleep(KILL_AFTER_S)
        partitions = PROCESSING.findall(dying.log.read_text())[-1]
        killed_at_s = time.time()
        dying.end()
        await publishing
        await until_consumed(environment, supervisor, CONSUMED_S_MAX, cases=False)
        await surviving.stop()
        observed = await observe(environment, redis)
    return {
        "session_timeout_s": SESSION_S,
        "partitions_of_the_dead": partitions,
        "judged_again_s": round(first_decision_s(killed_at_s, observed), 2),
        "caught_up_s": round(recovery_s(killed_at_s, outages(observed)), 2),
    }


async def _fill(environment: Environment, accounts: int, workers: list[Process], supervisor: Supervisor) -> None:
    """Start the workers and wait until all accounts are processed and in checkpoints."""
    for worker in workers:
        worker.start()
    await until_processing(workers, supervisor)
    await Publisher(environment, list(_payments(accounts, "first")), PUBLISH_RATE).run()
    await until_consumed(environment, supervisor, CONSUMED_S_MAX, cases=False)


def _payments(accounts: int, name: str) -> Iterator[Item]:
    for batch in batches(accounts, 2 * accounts):
        for payment in batch:
            named = msgspec.structs.replace(payment, event_id=f"{name}-{payment.event_id}")
            yield Item("payments", payment.account_id.encode(), _encode(named))


if __name__ == "__main__":
    sys.exit(main())
