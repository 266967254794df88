"""The payments that every contender of a benchmark reads: the same bytes in the same topic."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from benchmarks.reference_payments.plan import GeneratorPlan
from benchmarks.reference_payments.stream import stream
from fraudstream.contracts import Payment

PARTITIONS = 4
ONE_PARTITION = {"shipped"}  # loads whose rules have several entities: one stage keeps them all
BATCH_BYTES_MAX = 512 * 1024
START_MS = 1_767_225_600_000  # 2026-01-01
STEP_MS = 40  # a million payments take eleven hours of event time

_encode = msgspec.json.Encoder().encode


def payments(load: str, count: int, accounts: int) -> Iterator[Payment]:
    """`count` payments. `small`: uniform accounts, log-normal amounts; others: from the generator, with fraud."""
    if load != "small":
        plan = GeneratorPlan(seed=1, start_ms=START_MS, accounts=accounts, rate=1000 / STEP_MS, history_ms=0)
        for batch in stream(plan, count):
            yield from batch.payments
        return
    rng = np.random.default_rng(1)
    drawn = rng.integers(accounts, size=count).tolist()
    cents = np.maximum(100, np.rint(100 * rng.lognormal(3.5, 0.5, count))).astype(np.int64).tolist()
    for number, (account, amount) in enumerate(zip(drawn, cents, strict=True)):
        yield Payment(
            event_id=f"evt-{number:012d}",
            occurred_at=START_MS + STEP_MS * number,
            account_id=f"acct-{account:08d}",
            amount=f"{amount // 100}.{amount % 100:02d}",
            currency="EUR",
            direction="debit",
            kind="purchase",
            channel="app",
            merchant_id=f"m-{account * 7919 % 5000:05d}",
            mcc="5411",
            device_id=f"dev-{account:010d}",
            ip="10.1.2.3",
            country="DE",
            card_present=False,
        )


def partitions_of(load: str) -> int:
    """How many partitions the payments topic of a load has."""
    return 1 if load in ONE_PARTITION else PARTITIONS


async def publish(
    broker: str, topic: str, load: str, count: int, accounts: int, partition_count: int = PARTITIONS
) -> float:
    """Publish the payments, keyed and partitioned as by a Kafka client, without compression.

    `partition_count`: of the topic. Returns the average number of bytes per payment.
    """
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", max_batch_size=BATCH_BYTES_MAX)
    await producer.start()
    choose, partitions = DefaultPartitioner(), list(range(partition_count))
    batches = {partition: producer.create_batch() for partition in partitions}
    size, now_ms = 0, int(time.time() * 1000)
    try:
        for payment in payments(load, count, accounts):
            key, value = payment.account_id.encode(), _encode(payment)
            size += len(value)
            partition = choose(key, partitions, partitions)
            if batches[partition].append(timestamp=now_ms, key=key, value=value) is None:
                await producer.send_batch(batches[partition], topic, partition=partition)
                batches[partition] = producer.create_batch()
                batches[partition].append(timestamp=now_ms, key=key, value=value)
        for partition, batch in batches.items():
            if batch.record_count():
                await producer.send_batch(batch, topic, partition=partition)
    finally:
        await producer.stop()
    return size / count
