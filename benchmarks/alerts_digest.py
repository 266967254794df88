"""Compare the alerts of a day from `replay`, from one worker, from four workers, and from four that are killed.

    python -m benchmarks.alerts_digest --kafka 127.0.0.1:19092 [--payments 200000] [--kills 6]

The same generated payments are written to a file and, keyed by account, to new topics for each run. Prints a line of
JSON with the digest of the alerts for each run; exit code 1 if two differ or there is no alert.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.chaos.environment import Environment
from benchmarks.chaos.load import START_MS, Item
from benchmarks.chaos.processes import Process, Supervisor
from benchmarks.chaos.publisher import Publisher
from benchmarks.chaos.run import until_consumed, until_processing
from benchmarks.chaos.topic_reader import read_partition
from benchmarks.reference_payments.files import write_parquet
from benchmarks.reference_payments.plan import PAYMENTS_A_DAY, GeneratorPlan
from benchmarks.reference_payments.stream import stream
from fraudstream.contracts import Alert
from fraudstream.kafka import Brokers

RULES: Final = Path(__file__).parents[1] / "examples" / "account_only"
PARTITIONS: Final = 8
RATE: Final = 3_000.0

_encode = msgspec.json.Encoder().encode
_alert = msgspec.json.Decoder(Alert).decode


def main() -> int:
    """Run the comparison of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.alerts_digest", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--kafka", metavar="HOST:PORT", required=True)
    parser.add_argument(
        "--payments", metavar="N", type=int, default=200_000, help="payments of the day (default: 200000)"
    )
    parser.add_argument("--kills", metavar="N", type=int, default=6, help="kill -9 in the last run (default: 6)")
    args = parser.parse_args()
    plan = GeneratorPlan(start_ms=START_MS, seed=1, accounts=round(args.payments / PAYMENTS_A_DAY), fraud_share=0.01)
    found = []
    with tempfile.TemporaryDirectory(prefix="fraudstream-digest-") as scratch:
        directory = Path(scratch)
        ways = [_replayed(plan, args.payments, directory)]
        for workers, kills in ((1, 0), (4, 0), (4, args.kills)):
            ways.append(asyncio.run(_streamed(plan, args.payments, args.kafka, workers, kills, directory)))
        for way, alerts in ways:
            found.append((len(alerts), _digest(alerts)))
            print(json.dumps({"way": way, "alerts": found[-1][0], "digest": found[-1][1]}), flush=True)
    return 0 if found[0][0] and len(set(found)) == 1 else 1


def _replayed(plan: GeneratorPlan, payments: int, directory: Path) -> tuple[str, set[bytes]]:
    file, out = directory / "day.parquet", directory / "replayed"
    for _ in write_parquet(stream(plan, payments), file):
        pass
    command = [sys.executable, "-m", "fraudstream.cli.main", "replay", str(file), "--mapping", "generated", "--json"]
    subprocess.run([*command, "--rules", str(RULES), "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
    return "replay", set((out / "alerts.jsonl").read_bytes().splitlines())


async def _streamed(
    plan: GeneratorPlan, payments: int, brokers: str, workers: int, kills: int, directory: Path
) -> tuple[str, set[bytes]]:
    name = f"{workers} workers, {kills} kills"
    environment = Environment(
        Brokers(brokers),
        "redis://127.0.0.1:1/0",  # unused: no case processor runs
        kafka=True,
        suffix=f"digest-{random.SystemRandom().randrange(1 << 32):08x}",
        partitions=PARTITIONS,
        rules=RULES,
    )
    await environment.create_topics()
    items = [
        Item("payments", payment.account_id.encode(), _encode(payment))
        for batch in stream(plan, payments)
        for payment in batch.payments
    ]
    running = [
        Process(f"{environment.suffix}-{number}", ["worker", *environment.flags()], directory)
        for number in range(workers)
    ]
    publisher = Publisher(environment, items, RATE)
    async with Supervisor(running) as supervisor:
        for process in running:
            process.start()
        await until_processing(running, supervisor)
        publishing = asyncio.create_task(publisher.run())
        for kill in range(kills):
            while publisher.share < (kill + 0.5) / kills:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            random.choice(running).kill()
        await publishing
        await until_consumed(environment, supervisor, cases=False)
        for process in running:
            await process.stop()
    records = [
        record
        for number in range(PARTITIONS)
        for record in await read_partition(environment, environment.topic("alerts"), number, committed=False)
    ]
    return name, {record.value for record in records}


def _digest(alerts: Iterable[bytes]) -> str:
    """Digest of distinct alerts sorted by id: an alert that is repeated byte for byte counts once."""
    digest = sha256()
    for value in sorted(alerts, key=lambda value: (_alert(value).alert_id, value)):
        digest.update(value + b"\n")
    return digest.hexdigest()[:32]


if __name__ == "__main__":
    sys.exit(main())
