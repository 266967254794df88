"""CPU of each process of `fraudstream up`, new and after an hour's worth of record batches.

    python -m benchmarks.demo_cost --rate 50 --seconds 120
    python -m benchmarks.demo_cost --rate 50 --seconds 120 --hours 1

`--hours`: first as many batches as so many hours at this rate make are published, one payment each, as fast as the
worker decides them; then the processes are measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.contracts import Payment

ACCOUNTS: Final = 10_000
AT_ONCE: Final = 200
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run once and print CPU in percent of a core, by process, and the latency of decisions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--hours", type=float, default=0)
    args = parser.parse_args()
    command = [sys.executable, "-m", "fraudstream.cli.main", "up", "--json", "--rate", str(args.rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        try:
            events = _events(run)
            broker = _until(events, lambda event: event["event"] == "endpoints")["broker"]
            _until(events, lambda event: event["event"] == "phase" and event["phase"].startswith("live"))
            batches = int(args.hours * 3_600 * args.rate)
            if batches:
                asyncio.run(_publish(broker, batches))
                _until(events, lambda event: event["event"] == "progress" and "lag 0" in json.dumps(event))
            before, started_s = _cpu_s(run.pid), time.monotonic()
            last: Mapping[str, Any] = {}
            while time.monotonic() - started_s < args.seconds:
                last = _until(events, lambda event: event["event"] == "progress")
            seconds, after = time.monotonic() - started_s, _cpu_s(run.pid)
        finally:
            run.terminate()
    print(f"{args.rate:g}/s after {batches:,} batches of a payment each, over {seconds:.0f} s; % of a core:")
    for name, cpu_s in after.items():
        print(f"  {name:10} {100 * (cpu_s - before.get(name, 0)) / seconds:5.1f}")
    print(f"  all        {100 * (sum(after.values()) - sum(before.values())) / seconds:5.1f}")
    print(f"decisions: p50 {last.get('p50_ms')} ms, p99 {last.get('p99_ms')} ms")


def _events(run: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert run.stdout is not None
    for line in run.stdout:
        yield json.loads(line)


def _until(events: Iterator[dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    return next(event for event in events if holds(event))


async def _publish(broker: str, count: int) -> None:
    """Publish `count` payments, each in a record batch of its own."""
    encode = msgspec.json.Encoder().encode
    async with AIOKafkaProducer(bootstrap_servers=broker, acks="all", max_batch_size=1) as producer:
        for first in range(0, count, AT_ONCE):
            sent = []
            for number in range(first, min(first + AT_ONCE, count)):
                account = f"acc-{number * 7919 % ACCOUNTS:07}"
                payment = Payment(
                    event_id=f"filled-{number}",
                    occurred_at=1_735_718_400_000 + number,
                    account_id=account,
                    amount="12.50",
                    currency="EUR",
                    direction="debit",
                )
                sent.append(await producer.send("payments", encode(payment), key=account.encode()))
            await asyncio.gather(*sent)


def _cpu_s(pid: int) -> dict[str, float]:
    """CPU seconds of a process and all that it started, by what they are."""
    seconds: dict[str, float] = {}
    for process in _family(pid):
        name = _name(process)
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        seconds[name] = seconds.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
    return seconds


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children for found in _family(int(child)))]


def _name(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    known = {"kafka_server": "broker", "valkey": "Redis", " worker": "worker", " cases": "cases", " up ": "board"}
    return next((name for word, name in known.items() if word in command), "other")


if __name__ == "__main__":
    main()
