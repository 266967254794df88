"""Throughput and latency of a worker on Apache Kafka, with acks=all.

    python -m benchmarks.kafka --kafka 127.0.0.1:19092
    python -m benchmarks.kafka --kafka 127.0.0.1:19092 --rules four_stages --checkpoints 5 --count 200000 --seconds 30
    python -m benchmarks.kafka --kafka 127.0.0.1:19092 --rules four_stages --checkpoints 5 --partitions 1

`--rules`: `small` and `account` have only accounts, `shipped` eight entities, `four_stages` four: with `--partitions 1`
one stage keeps all of them, else one process runs a chain. For each rule set and checkpoint interval, as often as
`--rounds` says: throughput with decisions on, the changelog on, and the floor (fetch and decode, nothing else) on the
same topic; then latency at a steady rate. Each run creates topics with unique names. Prints one line of JSON for each
measurement.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import secrets
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.contender import SMALL_RULES, Worker, run_script, run_to, worker
from benchmarks.latency import measure_on
from benchmarks.payments import PARTITIONS, publish
from benchmarks.throughput import ACCOUNT_RULES
from benchmarks.worker_environment import worker_environment
from fraudstream.cli.settings import Override, Settings, load_settings
from fraudstream.cli.shipped import shipped
from fraudstream.cli.wanted_topics import wanted_topics
from fraudstream.operations.apply_topics import apply_topics

RULES: Final = {
    "small": (SMALL_RULES, "small"),
    "account": (ACCOUNT_RULES, "account"),
    "shipped": (Path(shipped("rules")), "shipped"),
    "four_stages": (Path(__file__).parents[1] / "examples" / "four_stages", "shipped"),
}
READY_S_MAX: Final = 60.0


def main() -> None:
    """Run the measurements of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--checkpoints", nargs="+", type=float, default=[1.0, 5.0, 30.0], metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=1, help="repetitions of each measurement")
    parser.add_argument("--count", type=int, default=1_000_000, help="payments of a throughput run; 0: skip it")
    parser.add_argument("--no-decisions", action="store_true", help="decisions off in throughput runs")
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=PARTITIONS, help="of each topic")
    parser.add_argument("--workers", type=int, default=1, help="workers of a throughput run")
    parser.add_argument("--rate", type=int, default=2_000, help="payments a second of a latency run")
    parser.add_argument(
        "--seconds", type=int, default=40, help="duration of a latency run, a fifth to warm up; 0: skip it"
    )
    args = parser.parse_args()
    for name, interval_s, _ in itertools.product(args.rules, args.checkpoints, range(args.rounds)):
        conditions: dict[str, object] = {"rules": name, "checkpoint_s": interval_s, "partitions": args.partitions}
        if args.count:
            print(json.dumps(conditions | _throughput(args, name, interval_s)), flush=True)
        if args.seconds:
            print(json.dumps(conditions | _latency(args, name, interval_s)), flush=True)


def _throughput(args: argparse.Namespace, name: str, interval_s: float) -> dict[str, object]:
    rules, load = RULES[name]
    settings = _settings(args, rules, interval_s, decisions=not args.no_decisions)
    asyncio.run(apply_topics(settings.kafka.brokers(), wanted_topics(settings)))
    asyncio.run(publish(args.kafka, settings.topics.payments, load, args.count, args.accounts, args.partitions))
    with ExitStack() as stack:
        running = [stack.enter_context(worker(args.kafka, worker_environment(settings))) for _ in range(args.workers)]
        spent = run_to(running, args.count)
    floor = run_script("benchmarks.floor", args.kafka, settings.topics.payments, args.count)
    return {
        "workers": args.workers,
        "decisions": not args.no_decisions,
        "payments_per_s": round(spent.rate),
        "cpu_us": round(spent.cpu_us, 1),
        "floor_per_s": round(floor.rate),
        "floor_cpu_us": round(floor.cpu_us, 1),
        "payments": spent.payments,
    }


def _latency(args: argparse.Namespace, name: str, interval_s: float) -> dict[str, object]:
    rules, load = RULES[name]
    settings = _settings(args, rules, interval_s, decisions=True)
    asyncio.run(apply_topics(settings.kafka.brokers(), wanted_topics(settings)))
    topics = settings.topics
    with worker(args.kafka, worker_environment(settings)) as running:
        _until_ready(running, args.partitions * (1 + sum("-by-" in topic.name for topic in wanted_topics(settings))))
        found = asyncio.run(
            measure_on(args.kafka, topics.payments, topics.decisions, load, args.rate, args.seconds, args.accounts)
        )
    return {key: round(value, 1) if isinstance(value, float) else value for key, value in found._asdict().items()}


def _settings(args: argparse.Namespace, rules: Path, interval_s: float, decisions: bool) -> Settings:
    """Settings with topics and a group that are unique to the run."""
    run = f"bench-{secrets.token_hex(4)}"
    given = {
        "kafka.bootstrap_servers": args.kafka,
        "rules.directory": str(rules),
        "topics.partitions": args.partitions,
        "topics.replication": 1,
        "worker.group": run,
        "worker.checkpoint_mode": "transaction",
        "worker.checkpoint_interval_s": interval_s,
        "worker.decisions": decisions,
    }
    names = (
        *("payments", "labels", "decisions", "alerts", "dead_letters", "controls"),
        *("cases", "case_actions", "case_answers", "notices", "notice_answers", "audit"),
    )
    given |= {f"topics.{topic}": f"{run}-{topic.replace('_', '-')}" for topic in names}
    return load_settings(None, {}, [Override(setting, value, "benchmark") for setting, value in given.items()])


def _until_ready(running: Worker, partitions: int) -> None:
    """Wait until it has this many partitions in all stages and none is recovering."""
    limit = time.monotonic() + READY_S_MAX
    while True:
        found = running.metrics()
        assigned, recovering = (found.get(f"fraudstream_{name}_partitions") for name in ("assigned", "recovering"))
        if (assigned, recovering) == (partitions, 0):
            return
        if time.monotonic() > limit or running.process.poll() is not None:
            raise RuntimeError(f"the worker did not become ready: {assigned} of {partitions} partitions")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
