"""Check that replay at any batch size and the stream with any number of workers give the same alerts, byte for byte.

    python -m benchmarks.parity FILE MAPPING [--batch-sizes 1,7,1000,100000] [--workers 1,3] [--rules DIR]

Replays the file at each batch size, publishes it to an embedded broker for each number of workers, and compares the
alerts, ordered by account, time and event. Prints a digest for each run, as JSON; exit code 1 if two differ or
there is no alert. `--payments N` uses the first N payments of the file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow.parquet as pq
from aiokafka import AIOKafkaConsumer

from benchmarks.contender import Worker, create_topics, worker
from benchmarks.payments import PARTITIONS
from benchmarks.throughput import RULES, WORKER_TOPICS
from fraudstream.contracts import Alert
from fraudstream.embedded.broker import embedded_broker

TOPIC = "payments"
IDLE_S_MAX = 60.0
_COMMAND = [sys.executable, "-m", "fraudstream.cli.main"]


class Alerts(NamedTuple):
    """The alerts of one run. `digest`: of their bytes, in order of account, time and event."""

    way: str
    alerts: int
    digest: str


def by_replay(file: Path, mapping: str, rules: Path, batch_size: int) -> Alerts:
    """Alerts of a replay with this batch size."""
    with tempfile.TemporaryDirectory() as out:
        sized = ("--batch-size", str(batch_size))
        _run("replay", str(file), "--mapping", mapping, "--rules", str(rules), "--out", out, *sized)
        lines = (Path(out) / "alerts.jsonl").read_bytes().splitlines()
    return _alerts(f"replay, batches of {batch_size}", lines)


def by_stream(file: Path, mapping: str, rules: Path, workers: int, payments: int) -> Alerts:
    """Alerts of `workers` workers on an embedded broker. `payments`: number of decisions to wait for."""
    with embedded_broker() as broker, ExitStack() as stack:
        asyncio.run(create_topics(broker, TOPIC, *WORKER_TOPICS))
        group = f"parity-{workers}"
        settings = {"TOPICS_PAYMENTS": TOPIC, "RULES_DIRECTORY": str(rules.resolve()), "WORKER_GROUP": group}
        running = [stack.enter_context(worker(broker, settings)) for _ in range(workers)]
        _wait_for_partitions(running)
        _run("publish", str(file), "--mapping", mapping, "--bootstrap-servers", broker, "--topic", TOPIC)
        lines = asyncio.run(_read_alerts(broker, payments))
    return _alerts(f"stream, {workers} workers", lines)


def _wait_for_partitions(running: list[Worker]) -> None:
    limit = time.monotonic() + IDLE_S_MAX
    while sum(one.metrics().get("fraudstream_assigned_partitions", 0) for one in running) != PARTITIONS or not all(
        one.metrics().get("fraudstream_assigned_partitions") for one in running
    ):
        if time.monotonic() > limit:
            raise RuntimeError("the workers did not share the partitions")
        time.sleep(0.2)


async def _read_alerts(broker: str, payments: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        "alerts", "decisions", bootstrap_servers=broker, auto_offset_reset="earliest", fetch_max_wait_ms=5
    )
    await consumer.start()
    alerts: list[bytes] = []
    decisions, quiet_since = 0, time.monotonic()
    # Alerts are sent in batches separate from decisions: keep reading for a while after the last decision.
    while time.monotonic() - quiet_since < (IDLE_S_MAX if decisions < payments else 3.0):
        for tp, records in (await consumer.getmany(timeout_ms=500)).items():
            quiet_since = time.monotonic()
            if tp.topic == "alerts":
                alerts += [record.value for record in records]
            else:
                decisions += len(records)
    await consumer.stop()
    if decisions != payments:
        raise RuntimeError(f"{decisions} decisions on {payments} payments")
    return alerts


def _alerts(way: str, lines: list[bytes]) -> Alerts:
    decode = msgspec.json.Decoder(Alert).decode

    def order(line: bytes) -> tuple[str, int, str]:
        alert = decode(line)
        return alert.account_id, alert.occurred_at_ms, alert.event_id

    digest = blake2b(digest_size=16)
    for line in sorted(lines, key=order):
        digest.update(line + b"\n")
    return Alerts(way, len(lines), digest.hexdigest())


def _run(*arguments: str) -> None:
    subprocess.run([*_COMMAND, *arguments, "--json"], check=True, stdout=subprocess.DEVNULL)


def measure(
    file: Path, mapping: str, rules: Path, batch_sizes: list[int], workers: list[int], payments: int
) -> list[Alerts]:
    """Alerts of a replay for each batch size and of the stream for each number of workers."""
    ways = [by_replay(file, mapping, rules, size) for size in batch_sizes]
    return ways + [by_stream(file, mapping, rules, number, payments) for number in workers]


def main() -> int:
    """Run the comparison of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("mapping")
    parser.add_argument("--batch-sizes", default="1,7,1000,100000")
    parser.add_argument("--workers", default="1,3")
    parser.add_argument("--rules", type=Path, default=RULES["account"])
    parser.add_argument("--payments", type=int, help="use only the first N payments of a Parquet file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        file, payments = args.file, pq.ParquetFile(args.file).metadata.num_rows
        if args.payments is not None:
            file, payments = Path(scratch) / "first.parquet", min(args.payments, payments)
            pq.write_table(pq.read_table(args.file).slice(0, payments), file)
        sizes = [int(size) for size in args.batch_sizes.split(",")]
        workers = [int(number) for number in args.workers.split(",")]
        ways = measure(file, args.mapping, args.rules, sizes, workers, payments)
    print(json.dumps([way._asdict() for way in ways], indent=1))
    return int(len({(way.alerts, way.digest) for way in ways}) != 1 or ways[0].alerts == 0)


if __name__ == "__main__":
    sys.exit(main())
