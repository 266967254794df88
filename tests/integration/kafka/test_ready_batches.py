"""Record batches that are written by us arrive on Apache Kafka once and in order, whatever happens to a connection.

Invariant: of an idempotent producer the log holds each record once, in order; of a transactional one, those of the
committed transactions. Method: numbered records in every codec, while connections are dropped between a request and
its answer, and while the broker is killed and started again. Limits: one broker,
one producer, one partition; the timestamps are those of now, as a broker that starts forgets producers whose last
records are a day old, and takes a batch of theirs again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, get_args

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from fraudstream.kafka.compression import Codec
from fraudstream.kafka.record_batch.outgoing import pack_records
from fraudstream.kafka.record_batch.ready_batch import ReadyBatch
from fraudstream.kafka.record_batch.writer import write_batches
from tests.integration.own_kafka import OwnKafka, own_kafka

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

BATCH, READ_S = 30, 30.0


async def new_topic(servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


@asynccontextmanager
async def producer(servers: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(bootstrap_servers=servers, acks="all", request_timeout_ms=10_000, **options)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def ready(begin: int, codec: Codec, transactional: bool = False) -> ReadyBatch:
    """A batch of the records from `begin` to before `begin` + `BATCH`."""
    numbers = range(begin, begin + BATCH)
    records = [(b"k", b'{"event_id":"e%d"}' % n, [("source", b"0:%d" % n)]) for n in numbers]
    (written,) = write_batches([pack_records(records, int(time.time() * 1000))], 1 << 20)
    return ReadyBatch(written, codec, transactional)


async def logged(servers: str, topic: str, count: int, isolation_level: str = "read_uncommitted") -> list[int]:
    """The numbers of the first `count` records of the log, and of those that follow within half a second."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, auto_offset_reset="earliest", isolation_level=isolation_level
    )
    await consumer.start()
    found: list[int] = []
    try:
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(READ_S):
            while True:
                fetched = await consumer.getmany(timeout_ms=500)
                for records in fetched.values():
                    for record in records:
                        number = int(dict(record.headers)["source"][2:])
                        assert record.value == b'{"event_id":"e%d"}' % number
                        found.append(number)
                if not fetched and len(found) >= count:
                    return found
    finally:
        await consumer.stop()


async def drop_connections(client: Any, stop: asyncio.Event) -> int:
    """Drop the producer's connections again and again until `stop`; returns how often a request was in flight."""
    cut = 0
    while not stop.is_set():
        await asyncio.sleep(0.003)
        for connection in list(client._conns.values()):
            if connection._requests:  # sent, and not answered yet
                cut += 1
                connection.close()
    return cut


async def test_no_record_is_lost_or_doubled_when_answers_are(kafka: str, unique_name: Callable[[str], str]) -> None:
    topic = unique_name("ready")
    await new_topic(kafka, topic)
    stop = asyncio.Event()
    async with producer(kafka, enable_idempotence=True, retry_backoff_ms=10) as sender:
        dropping = asyncio.create_task(drop_connections(sender.client, stop))
        codecs = cycle(get_args(Codec))
        for begin in range(0, 100 * BATCH, BATCH):
            await (await sender.send_batch(ready(begin, next(codecs)), topic, partition=0))
        stop.set()
        assert await dropping > 3
    assert await logged(kafka, topic, 100 * BATCH) == list(range(100 * BATCH))


async def test_batches_sent_across_a_restart_of_the_broker_arrive_once_and_in_order(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    topic, sent = unique_name("ready"), 0
    with own_kafka(tmp_path / "kafka") as broker:
        await new_topic(broker.address, topic)
        async with producer(broker.address, enable_idempotence=True) as sender:

            async def send_until(done: Callable[[], bool]) -> None:
                nonlocal sent
                while not done():
                    await (await sender.send_batch(ready(sent, "gzip"), topic, partition=0))
                    sent += BATCH

            await send_until(lambda: sent >= 20 * BATCH)
            restarted = asyncio.create_task(asyncio.to_thread(kill_and_restart, broker))
            await send_until(restarted.done)
            await send_until(lambda: sent >= 40 * BATCH)
        assert await logged(broker.address, topic, sent) == list(range(sent))


def kill_and_restart(broker: OwnKafka) -> None:
    broker.kill()
    broker.restart()


async def test_only_committed_transactions_are_read(kafka: str, unique_name: Callable[[str], str]) -> None:
    topic = unique_name("ready")
    await new_topic(kafka, topic)
    async with producer(kafka, transactional_id=topic) as sender:
        for begin in range(0, 10 * BATCH, BATCH):
            await sender.begin_transaction()
            await (await sender.send_batch(ready(begin, "zstd", transactional=True), topic, partition=0))
            if begin % (2 * BATCH):
                await sender.abort_transaction()
            else:
                await sender.commit_transaction()
    committed = [n for begin in range(0, 10 * BATCH, 2 * BATCH) for n in range(begin, begin + BATCH)]
    assert await logged(kafka, topic, len(committed), "read_committed") == committed
