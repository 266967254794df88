"""Restore drill: the state is lost and imported from a backup under load, on Apache Kafka. Measures RTO and RPO.

    python -m benchmarks.restore_drill --kafka 127.0.0.1:19092 --accounts 100000

A worker decides a steady stream, and `state backup` runs beside it. Then the worker is killed with SIGKILL and its
changelog deleted, while payments go on. `state verify`, `topics apply`, `state import` and a new worker follow, as
docs/disaster-recovery.md says. RTO: from the kill until no payment waits. RPO: payments without a decision. Payments
that are decided again, and differently, are counted too. Prints a table, and with `--json` one line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.chaos.environment import Environment
from benchmarks.chaos.observed import observe
from benchmarks.chaos.processes import Process, Supervisor
from benchmarks.chaos.publisher import Publisher
from benchmarks.chaos.run import until_consumed
from benchmarks.chaos.servers import RedisServer
from benchmarks.recovery import CONSUMED_S_MAX, RULES, compared, fill, payments
from fraudstream.kafka import Brokers
from tests.integration.topic_admin import delete_topics

STEADY_S: Final = 90.0
AFTER_BACKUP_S: Final = 20.0  # the age of the backup when the state is lost


def main() -> int:
    """Run the drill of the command line; exit code 1 if a payment was lost or decided differently."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.restore_drill", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--kafka", metavar="HOST:PORT", required=True)
    parser.add_argument("--accounts", metavar="N", type=int, default=100_000)
    parser.add_argument("--rate", metavar="N", type=float, default=500.0, help="payments a second")
    parser.add_argument("--partitions", metavar="N", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    measured = asyncio.run(_drill(args))
    if args.json:
        print(json.dumps(measured))
    else:
        for name, value in measured.items():
            print(f"{name:<42} {value}")
    return 1 if measured["payments lost (RPO)"] or measured["decided differently"] else 0


async def _drill(args: argparse.Namespace) -> dict[str, object]:
    with RedisServer() as redis, tempfile.TemporaryDirectory(prefix="fraudstream-drill-") as scratch:
        directory, root = Path(scratch), Path(scratch) / "backups"
        root.mkdir()
        environment = Environment(
            Brokers(args.kafka),
            redis.url,
            kafka=True,
            suffix=f"drill-{random.SystemRandom().randrange(1 << 32):08x}",
            partitions=args.partitions,
            rules=RULES,
            checkpoint_s=5.0,
            session_s=10.0,
        )
        await environment.create_topics()
        first, second = (Process(name, ["worker", *environment.flags()], directory) for name in ("first", "second"))
        steps: dict[str, object] = {}
        async with Supervisor([first, second]) as supervisor:
            await fill(environment, args.accounts, [first], supervisor)
            count = round(args.rate * STEADY_S)
            steady = [item for _, item in zip(range(count), payments(args.accounts, "steady"), strict=False)]
            publishing = asyncio.create_task(Publisher(environment, steady, args.rate).run())
            await asyncio.sleep(5.0)
            backup = json.loads(await _command(environment, "state", "backup", str(root), "--json"))
            await asyncio.sleep(AFTER_BACKUP_S)
            lost_at = time.monotonic()
            first.end()
            await delete_topics(environment.brokers, environment.changelog)
            for name, words in (
                ("verify the backup, s", ("state", "verify", str(root))),
                ("import the state, s", ("state", "import", backup["directory"])),
            ):
                started = time.monotonic()
                if words[1] == "import":
                    await environment.create_topics()
                await _command(environment, *words)
                steps[name] = round(time.monotonic() - started, 1)
            second.start()
            await publishing
            await until_consumed(environment, supervisor, CONSUMED_S_MAX, cases=False)
            recovered_s = time.monotonic() - lost_at
            await second.stop()
            observed = await observe(environment, redis)
        lost, repeated, different = compared(observed)
        return {
            "accounts": args.accounts,
            "payments a second": args.rate,
            "backup: rows": backup["rows"],
            "backup: MB": round(backup["size"] / 1e6, 1),
            "backup and verify, s": backup["seconds"],
            "age of the backup when the state was lost, s": AFTER_BACKUP_S,
            **steps,
            "until nothing waits (RTO), s": round(recovered_s, 1),
            "payments lost (RPO)": lost,
            "decided again, same verdict": repeated,
            "decided differently": different,
        }


async def _command(environment: Environment, *words: str) -> str:
    """What a command prints. Raises `CalledProcessError`."""
    flags = [] if words[1] == "verify" else environment.flags()
    command = [sys.executable, "-m", "fraudstream.cli.main", *words, *flags]
    done = await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.PIPE, text=True)
    return str(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
