"""Malformed messages through bridges on an embedded broker: each is a payment, a dead letter, or left out by the
mapping; none is lost, and no bridge ends.

    python -m benchmarks.malformed_bridge [COUNT] [SEED]

Prints JSON: by format, the numbers of messages, payments, dead letters by reason, and of messages that were left out.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.contender import Worker, create_topics
from benchmarks.malformed_messages import (
    CARD_KINDS,
    LARGE_BYTES,
    LARGE_CARD_KINDS,
    LARGE_XML_KINDS,
    XML_KINDS,
    malformed,
)
from fraudstream.contracts import DeadLetter
from fraudstream.embedded.broker import embedded_broker

KINDS: Final = {"pacs.008": (XML_KINDS, LARGE_XML_KINDS), "iso8583": (CARD_KINDS, LARGE_CARD_KINDS)}
REQUEST_BYTES_MAX: Final = 2 * LARGE_BYTES
IDLE_S_MAX: Final = 120.0
STOP_S_MAX: Final = 30.0
_letter: Final = msgspec.json.Decoder(DeadLetter).decode


def measure(count: int, seed: int) -> dict[str, Any]:
    """Send `count` messages of each format to a bridge, and count what became of them."""
    return {name: _measure_format(name, count, seed) for name in KINDS}


def _measure_format(name: str, count: int, seed: int) -> dict[str, Any]:
    with embedded_broker() as broker, tempfile.TemporaryDirectory() as scratch:
        asyncio.run(create_topics(broker, "bank", "payments", "dead-letters"))
        secret = Path(scratch) / "secret"
        secret.write_text("a secret of the benchmark")
        with _bridge(broker, name, secret) as bridge:
            began = time.perf_counter()
            figures = asyncio.run(_count(broker, bridge, name, count, seed))
            seconds = time.perf_counter() - began
            alive = bridge.process.poll() is None
    return figures | {"bridge_alive": alive, "seconds": round(seconds, 1)}


@contextmanager
def _bridge(broker: str, name: str, secret: Path) -> Iterator[Worker]:
    """A bridge in a process of its own, stopped when the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "fraudstream.cli.main", "bridge", "--from=bank", f"--format={name}"]
    words += [f"--bootstrap-servers={broker}", f"--metrics-port={port}", f"--cards-secret-file={secret}"]
    words += ["--set=worker.checkpoint_mode=batch", "--set=worker.fetch_wait_ms=5"]
    process = Popen(words, stderr=DEVNULL)
    try:
        yield Worker(process, f"http://127.0.0.1:{port}/metrics")
    finally:
        process.terminate()
        process.communicate(timeout=STOP_S_MAX)


async def _count(broker: str, bridge: Worker, name: str, count: int, seed: int) -> dict[str, Any]:
    publishing = asyncio.create_task(_publish(broker, name, count, seed))
    consumer = AIOKafkaConsumer(
        *("payments", "dead-letters"),
        bootstrap_servers=broker,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=5,
        max_partition_fetch_bytes=4 * REQUEST_BYTES_MAX,
    )
    await consumer.start()
    reasons: Counter[str] = Counter()
    letters: set[tuple[int, int]] = set()
    payments = excluded = 0
    idle_since = time.monotonic()
    while payments + len(letters) + excluded < count and time.monotonic() - idle_since < IDLE_S_MAX:
        fetched = await consumer.getmany(timeout_ms=200)
        for tp, records in fetched.items():
            idle_since = time.monotonic()
            if tp.topic == "payments":
                payments += len(records)
                continue
            for record in records:
                letter = _letter(record.value)
                letters.add((letter.partition, letter.offset))
                reasons[letter.reason] += 1
        if not fetched:
            metrics = await asyncio.to_thread(bridge.metrics)
            excluded = int(metrics.get("fraudstream_bridge_excluded_transactions_total", 0))
    await consumer.stop()
    return {
        "messages": count,
        "kinds": await publishing,
        "payments": payments,
        "dead_letters": len(letters),
        "left_out": excluded,
        "missing": count - payments - len(letters) - excluded,
        "reasons": dict(reasons),
    }


async def _publish(broker: str, name: str, count: int, seed: int) -> int:
    """Publish all; returns how many kinds there were."""
    producer = AIOKafkaProducer(
        bootstrap_servers=broker, max_request_size=REQUEST_BYTES_MAX, max_batch_size=1 << 19, linger_ms=100
    )
    await producer.start()
    kinds = set()
    for kind, message in malformed(count, seed, *KINDS[name]):
        await producer.send("bank", message)
        kinds.add(kind)
    await producer.stop()
    return len(kinds)


if __name__ == "__main__":
    COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    print(json.dumps(measure(COUNT, int(sys.argv[2]) if len(sys.argv) > 2 else 1), indent=1))
