"""Runs a contender of a benchmark in its own process and measures it from its first payment to its last."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.payments import ONE_PARTITION, PARTITIONS, partitions_of
from fraudstream.kafka import Brokers
from fraudstream.stream.settings import ALL_ENTITIES, StreamSettings

TICKS = os.sysconf("SC_CLK_TCK")
POLL_S = 0.2  # reading the metrics costs the worker some milliseconds
CONTENDER_S_MAX = 300.0
SMALL_RULES = Path(__file__).parent / "small"


class Spent(NamedTuple):
    """Wall and CPU time that a number of payments took."""

    payments: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Payments per second of wall time."""
        return self.payments / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per payment."""
        return self.cpu_seconds / self.payments * 1e6


def run_script(module: str, broker: str, topic: str, count: int) -> Spent:
    """Run a contender that measures itself: `benchmarks.floor` or `benchmarks.plain_faust`."""
    command = [sys.executable, "-W", "ignore", "-m", module, broker, topic, str(count)]
    with tempfile.TemporaryDirectory() as scratch:  # removed with the files that the script leaves
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=CONTENDER_S_MAX,
            check=True,
            env=os.environ | {"TMPDIR": scratch},
        )
    spent = json.loads(done.stdout.splitlines()[-1])
    return Spent(count, spent["seconds"], spent["cpu_seconds"])


class Worker:
    """A running `fraudstream worker`."""

    def __init__(self, process: subprocess.Popen[bytes], metrics_url: str) -> None:
        self.process, self._url = process, metrics_url

    def metrics(self) -> dict[str, float]:
        """Every sample by name, summed over its labels; empty until the worker serves metrics."""
        samples: dict[str, float] = {}
        with suppress(OSError), urllib.request.urlopen(self._url, timeout=5) as response:
            for family in text_string_to_metric_families(response.read().decode()):
                for sample in family.samples:
                    samples[sample.name] = samples.get(sample.name, 0.0) + sample.value
        return samples

    def cpu_seconds(self) -> float:
        """CPU time used so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def wait_for(self, count: int) -> None:
        """Wait until it has processed `count` payments. Raises `RuntimeError` if it exits or takes too long."""
        limit = time.monotonic() + CONTENDER_S_MAX
        while self.metrics().get("fraudstream_payments_total", 0.0) < count:
            if self.process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"the worker ended early or took longer than {CONTENDER_S_MAX:g} s")
            time.sleep(POLL_S)


def run_to(workers: Sequence[Worker], count: int) -> Spent:
    """Wait until the workers have processed `count` payments in total, and measure them while all are busy.

    The measurement is from the first sample in which all have records to the last sample before the end. Raises
    `RuntimeError` if a worker exits, takes too long or leaves fewer than two samples.
    """
    limit = time.monotonic() + CONTENDER_S_MAX
    samples: list[tuple[int, float, float]] = []
    while True:
        if any(worker.process.poll() is not None for worker in workers) or time.monotonic() > limit:
            raise RuntimeError(f"a worker ended early or took longer than {CONTENDER_S_MAX:g} s")
        found = [worker.metrics() for worker in workers]
        processed = int(sum(metrics.get("fraudstream_payments_total", 0.0) for metrics in found))
        if processed >= count:
            break
        if all(metrics.get("fraudstream_records_total") for metrics in found):  # of several stages, the first
            samples.append((processed, time.perf_counter(), sum(worker.cpu_seconds() for worker in workers)))
        time.sleep(POLL_S)
    if len(samples) < 2:
        raise RuntimeError(f"{count} payments are too few: they were processed between two samples")
    (processed, started, cpu), (seen, ended, spent) = samples[0], samples[-1]
    return Spent(seen - processed, ended - started, spent - cpu)


@contextmanager
def worker(broker: str, settings: Mapping[str, str]) -> Iterator[Worker]:
    """Run a worker with telemetry on. `settings`: values by `<SECTION>_<NAME>`, as in environment variables."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = settings.get("WORKER_GROUP", f"bench-{secrets.token_hex(4)}")
    load = settings.get("TOPICS_PAYMENTS", "")
    stage = ALL_ENTITIES if load in ONE_PARTITION else "account"
    worker = StreamSettings(brokers=Brokers(broker), checkpoint_mode="batch", group=group, stage=stage)
    asyncio.run(create_topics(broker, worker.changelog_topic, partitions=partitions_of(load)))
    named = {f"FRAUDSTREAM_{name}": value for name, value in settings.items()}
    environment = os.environ | {
        "FRAUDSTREAM_KAFKA_BOOTSTRAP_SERVERS": broker,
        "FRAUDSTREAM_METRICS_PORT": str(port),
        "FRAUDSTREAM_WORKER_CHECKPOINT_MODE": "batch",
        "FRAUDSTREAM_WORKER_GROUP": group,
        **named,
    }
    command = [sys.executable, "-m", "fraudstream.cli.main", "worker"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Worker(process, f"http://127.0.0.1:{port}/metrics")
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def create_topics(broker: str, *names: str, partitions: int = PARTITIONS) -> None:
    """Create topics with so many partitions and one replica."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
    finally:
        await admin.close()
