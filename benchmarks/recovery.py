"""Time to restore the state of many accounts, and to fail over the partitions of a killed worker, on Apache Kafka.

    python -m benchmarks.recovery --kafka 127.0.0.1:19092 --accounts 1000000
    python -m benchmarks.recovery --kafka 127.0.0.1:19092 --accounts 100000 --take-over
    python -m benchmarks.recovery --kafka 127.0.0.1:19092 --accounts 1000000 --take-over --partitions 1 --standby

Every account pays once and some much more often, with the rules of accounts alone. By default a worker processes all
payments and is stopped; the time is from the start of the next worker until it processes. `--take-over`: two workers
share such a state and a steady stream; one is killed with SIGKILL and not restarted; the times are from there to the
first decision in the slowest partition, and until no payment waits any more. With one partition one worker has it and
is killed; with `--standby` the other one follows its changelog. Counts payments without a decision and those with two
different ones. Prints one line of JSON.
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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.chaos.environment import Environment
from benchmarks.chaos.load import Item
from benchmarks.chaos.observed import Observed, answered_by, observe
from benchmarks.chaos.processes import Process, Supervisor
from benchmarks.chaos.publisher import Publisher
from benchmarks.chaos.recovery_times import first_decision_s, outages, recovery_s
from benchmarks.chaos.run import until_consumed, until_processing
from benchmarks.chaos.servers import RedisServer
from benchmarks.chaos.topic_reader import read_partition
from benchmarks.state import batches
from fraudstream.kafka import Brokers

RULES: Final = Path(__file__).parents[1] / "examples" / "account_only"
PARTITIONS: Final = 8
SESSION_S: Final = 10.0  # the default
PUBLISH_RATE: Final = 40_000.0
PUBLISH_RATE_OF_PARTITION: Final = 20_000.0  # a tick's records of a partition are one batch
STEADY_RATE: Final = 1_000.0
STEADY_S: Final = 60.0
KILL_AFTER_S: Final = 15.0
CONSUMED_S_MAX: Final = 900.0
PROCESSING: Final = re.compile(r"processing partitions (none|[\d, ]+)")

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
    parser.add_argument("--partitions", metavar="N", type=int, default=PARTITIONS)
    parser.add_argument("--standby", action="store_true", help="the workers are standbys of each other")
    parser.add_argument(
        "--rules", metavar="DIR", type=Path, default=RULES, help="rule set directory (default: examples/account_only)"
    )
    parser.add_argument("--logs", metavar="DIR", type=Path, help="directory in which to keep the logs")
    args = parser.parse_args()
    measured = asyncio.run(_measure(args))
    print(json.dumps(measured))
    return 0


async def _measure(args: argparse.Namespace) -> dict[str, object]:
    with RedisServer() as redis, tempfile.TemporaryDirectory(prefix="fraudstream-recovery-") as scratch:
        directory = args.logs or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        environment = Environment(
            Brokers(args.kafka),
            redis.url,
            kafka=True,
            suffix=f"recovery-{random.SystemRandom().randrange(1 << 32):08x}",
            partitions=args.partitions,
            rules=args.rules,
            checkpoint_s=5.0,
            session_s=SESSION_S,
            single=args.partitions == 1,
            standby=args.standby,
        )
        await environment.create_topics()
        if args.take_over:
            return {"accounts": args.accounts} | await _take_over(environment, redis, args.accounts, directory)
        return {"accounts": args.accounts} | await _recovery(environment, args.accounts, directory)


async def _recovery(environment: Environment, accounts: int, directory: Path) -> dict[str, object]:
    first = Process("first", ["worker", "--no-decisions", *environment.flags()], directory)
    second = Process("second", ["worker", "--no-decisions", *environment.flags()], directory)
    async with Supervisor([first, second]) as supervisor:
        await fill(environment, accounts, [first], supervisor)
        await first.stop()
        records = [
            record
            for number in range(environment.partitions)
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
    workers = [Process(name, ["worker", *environment.flags()], directory) for name in ("first", "second")]
    async with Supervisor(workers) as supervisor:
        await fill(environment, accounts, workers, supervisor)
        dying, surviving = sorted(workers, key=lambda worker: _owned_by(worker) == "none")
        steady = [
            item for _, item in zip(range(int(STEADY_RATE * STEADY_S)), payments(accounts, "steady"), strict=False)
        ]
        publishing = asyncio.create_task(Publisher(environment, steady, STEADY_RATE).run())
        await asyncio.sleep(KILL_AFTER_S)
        partitions = _owned_by(dying)
        killed_at_s = time.time()
        dying.end()
        await publishing
        await until_consumed(environment, supervisor, CONSUMED_S_MAX, cases=False)
        memory = resident_bytes(surviving)
        await surviving.stop()
        observed = await observe(environment, redis)
    lost, repeated, different = compared(observed)
    return {
        "session_timeout_s": SESSION_S,
        "standby": environment.standby,
        "partitions_of_the_dead": partitions,
        "lost": lost,
        "decided_again": repeated,
        "decided_differently": different,
        "resident_bytes_of_the_survivor": memory,
        "judged_again_s": round(first_decision_s(killed_at_s, observed), 2),
        "caught_up_s": round(recovery_s(killed_at_s, outages(observed)), 2),
    }


def _owned_by(worker: Process) -> str:
    """The partitions that the worker owns, as it has logged them; "none" if there are none."""
    return str(PROCESSING.findall(worker.log.read_text())[-1]).strip()


def resident_bytes(worker: Process) -> int:
    """What the worker has in memory now."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


def compared(observed: Sequence[Observed]) -> tuple[int, int, int]:
    """Payments without a decision; decisions on a payment that had the same one; those that had another one."""
    lost = repeated = different = 0
    for partition in observed:
        verdicts: dict[int, bytes] = {}
        for record in partition.decisions:
            source = answered_by(record)
            assert source is not None, "every decision names the payment's position"
            before = verdicts.setdefault(source.offset, record.value)
            different += before != record.value
            repeated += 1
        repeated -= len(verdicts)
        lost += sum(payment.offset not in verdicts for payment in partition.payments)
    return lost, repeated - different, different


async def fill(environment: Environment, accounts: int, workers: list[Process], supervisor: Supervisor) -> None:
    """Start the workers and wait until all accounts are processed and in checkpoints."""
    for worker in workers:
        worker.start()
    await until_processing(workers, supervisor)
    rate = min(PUBLISH_RATE, PUBLISH_RATE_OF_PARTITION * environment.partitions)
    await Publisher(environment, list(payments(accounts, "first")), rate).run()
    await until_consumed(environment, supervisor, CONSUMED_S_MAX, cases=False)


def payments(accounts: int, name: str) -> Iterator[Item]:
    """Twice as many payments as accounts, of all of them; `name`: of this set of events."""
    for batch in batches(accounts, 2 * accounts):
        for payment in batch:
            named = msgspec.structs.replace(payment, event_id=f"{name}-{payment.event_id}")
            yield Item("payments", payment.account_id.encode(), _encode(named))


if __name__ == "__main__":
    sys.exit(main())
