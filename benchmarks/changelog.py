"""Bytes that checkpoints write for each payment, at a steady rate over many accounts.

With a longer checkpoint interval, or a higher rate, more payments of an account share one row. Bytes are those of keys
and values before compression.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks.contender import create_topics, worker
from benchmarks.payments import partitions_of, payments
from benchmarks.throughput import WORKER_TOPICS, worker_settings
from fraudstream.embedded.broker import embedded_broker

TICK_S = 0.05


class Volume(NamedTuple):
    """Changelog volume. `bytes_a_payment`: keys and values before compression; `records_a_payment`: records."""

    load: str
    rate: int
    interval_s: float
    payments: int
    bytes_a_payment: float
    records_a_payment: float


def measure(load: str, rate: int, seconds: int, accounts: int, interval_s: float = 5.0) -> Volume:
    """Measure at `rate` payments per second for `seconds` with a checkpoint every `interval_s`."""
    with embedded_broker() as broker:
        asyncio.run(create_topics(broker, load, *WORKER_TOPICS, partitions=partitions_of(load)))
        settings = worker_settings(load) | {
            "WORKER_CHECKPOINT_INTERVAL_S": str(interval_s),
            "WORKER_CHECKPOINT_BYTES_MAX": str(1 << 30),
        }
        with worker(broker, settings) as running:
            while not running.metrics().get("fraudstream_assigned_partitions"):
                time.sleep(0.1)
            asyncio.run(_publish(broker, load, rate, seconds, accounts))
            running.wait_for(rate * seconds)
            time.sleep(2 * interval_s)  # until a checkpoint contains the last payments
            seen = running.metrics()
    return Volume(
        load,
        rate,
        interval_s,
        rate * seconds,
        seen["fraudstream_checkpoint_bytes_sum"] / (rate * seconds),
        seen["fraudstream_checkpoint_records_total"] / (rate * seconds),
    )


async def _publish(broker: str, topic: str, rate: int, seconds: int, accounts: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", linger_ms=5, max_batch_size=1 << 19)
    await producer.start()
    started = time.perf_counter()
    for number, payment in enumerate(payments(topic, rate * seconds, accounts)):
        if number % int(rate * TICK_S) == 0 and (wait := started + number / rate - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        await producer.send(topic, msgspec.json.encode(payment), key=payment.account_id.encode())
    await producer.stop()
