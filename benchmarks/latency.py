"""Latency from publishing a payment to its decision at a steady rate, compared with a consumer of the payments.

Publisher and both readers share one process, separate from broker and worker. `made`: timestamp of the decision record,
when it left the worker. `read`: when a reader received it, one more hop through the broker.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.contender import create_topics, worker
from benchmarks.floor import FETCH_WAIT_MS
from benchmarks.payments import partitions_of, payments
from benchmarks.throughput import WORKER_TOPICS, worker_settings
from fraudstream.contracts import Decision, Payment
from fraudstream.embedded.broker import embedded_broker

WARM_UP_SHARE = 0.2
DRAIN_S = 10.0


class Latency(NamedTuple):
    """Percentiles in ms since publication. `floor`: until the floor consumer had decoded the payment."""

    load: str
    rate: int
    payments: int
    made_p50: float
    made_p99: float
    read_p50: float
    read_p99: float
    floor_p50: float
    floor_p99: float


def measure(load: str, rate: int, seconds: int, accounts: int) -> Latency:
    """Measure one worker on an embedded broker at `rate` payments per second."""
    with embedded_broker() as broker:
        asyncio.run(create_topics(broker, load, *WORKER_TOPICS, partitions=partitions_of(load)))
        with worker(broker, worker_settings(load)) as running:
            while not running.metrics().get("fraudstream_assigned_partitions"):
                time.sleep(0.1)
            return asyncio.run(measure_on(broker, load, "decisions", load, rate, seconds, accounts))


async def measure_on(
    broker: str, payments_topic: str, decisions_topic: str, load: str, rate: int, seconds: int, accounts: int
) -> Latency:
    """Measure a worker that is ready on these topics. Raises `RuntimeError` if decisions are missing."""
    count = rate * seconds
    published: dict[str, int] = {}
    decided: dict[str, tuple[int, int]] = {}
    read: dict[str, tuple[int, int]] = {}
    readers = [
        asyncio.create_task(_read(broker, decisions_topic, Decision, decided)),
        asyncio.create_task(_read(broker, payments_topic, Payment, read)),
    ]
    await asyncio.sleep(2)  # until both have their partitions
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", linger_ms=5)
    await producer.start()
    started = time.perf_counter()
    for number, payment in enumerate(payments(load, count, accounts)):
        due = started + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        published[payment.event_id] = time.time_ns()
        await producer.send(payments_topic, msgspec.json.encode(payment), key=payment.account_id.encode())
    limit = time.perf_counter() + DRAIN_S
    while len(decided) < count and time.perf_counter() < limit:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    await producer.stop()
    if len(decided) < count:
        raise RuntimeError(f"{count - len(decided)} of {count} payments were not decided within {DRAIN_S:g} s")
    measured = list(published)[int(count * WARM_UP_SHARE) :]
    made = np.array([decided[event][0] * 1_000_000 - published[event] for event in measured]) / 1e6
    seen = np.array([decided[event][1] - published[event] for event in measured]) / 1e6
    floor = np.array([read[event][1] - published[event] for event in measured]) / 1e6
    quantiles = [float(np.percentile(times, q)) for times in (made, seen, floor) for q in (50, 99)]
    return Latency(load, rate, len(measured), *quantiles)


async def _read(broker: str, topic: str, of: type[Decision | Payment], seen: dict[str, tuple[int, int]]) -> None:
    decode = msgspec.json.Decoder(of).decode
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker, auto_offset_reset="earliest", fetch_max_wait_ms=FETCH_WAIT_MS
    )
    await consumer.start()
    try:
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    event = decode(record.value)
                    seen[event.event_id] = record.timestamp, time.time_ns()
    finally:
        await consumer.stop()
