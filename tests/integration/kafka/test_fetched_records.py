"""A consumer that reads spans receives what aiokafka's own receives, from logs that real brokers hold.

Each log is read twice, from several offsets and in pieces of several sizes; keys, values, headers, times and offsets
are compared, and the positions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from fraudstream.engine.records import Records
from fraudstream.kafka import Brokers
from fraudstream.stream.faust.fetched_records import read_as_spans
from tests.brokers import SelectedBroker, on_both_brokers, on_kafka
from tests.integration.topic_admin import admin_of, delete_records

CODECS = (None, "gzip", "snappy", "lz4", "zstd")


class Received(NamedTuple):
    records: list[tuple[Any, ...]]
    position: int


async def new_topic(broker: SelectedBroker, topic: str, settings: Mapping[str, str] | None = None) -> TopicPartition:
    async with admin_of(Brokers(broker.servers)) as admin:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=dict(settings or {}))])
    return TopicPartition(topic, 0)


async def read(broker: SelectedBroker, tp: TopicPartition, begin: int, at_most: int, as_spans: bool) -> Received:
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.servers, isolation_level="read_committed", fetch_max_wait_ms=5
    ) as consumer:
        if as_spans:
            read_as_spans(consumer._fetcher)
        consumer.assign([tp])
        (end,) = (await consumer.end_offsets([tp])).values()
        consumer.seek(tp, begin)
        records: list[tuple[Any, ...]] = []
        async with asyncio.timeout(30):
            while await consumer.position(tp) < end:
                for found in (await consumer.getmany(timeout_ms=20, max_records=at_most)).values():
                    assert isinstance(found, Records if as_spans else list)
                    records += [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in found]
        return Received(records, await consumer.position(tp))


async def assert_equal_reads(broker: SelectedBroker, tp: TopicPartition, begins: Sequence[int]) -> list[int]:
    """Compare reads from some offsets; returns the offsets that the first one finds."""
    found: list[list[int]] = []
    for begin in begins:
        for at_most in (7, 10_000):
            expected = await read(broker, tp, begin, at_most, as_spans=False)
            assert await read(broker, tp, begin, at_most, as_spans=True) == expected
            found.append([record[0] for record in expected.records])
    assert found[0], "a comparison of nothing"
    return found[0]


async def write(producer: AIOKafkaProducer, tp: TopicPartition, count: int) -> None:
    for k in range(count):
        key = (None, b"", b"acct-%d" % k)[k % 3]
        value = None if k % 5 == 4 and k % 3 else b"value %d " % k * (1 + 40 * (k % 4))
        headers = [("source", b"3:%d" % k), ("empty", b"")][: k % 3]
        await producer.send(tp.topic, value, key, partition=0, timestamp_ms=1_700_000_000_000 - k, headers=headers)
    await producer.flush()


@on_both_brokers
async def test_batches_of_every_codec_are_read(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str]
) -> None:
    tp = await new_topic(selected_broker, unique_name("payments"))
    for codec in CODECS:
        for linger_ms in (0, 20):
            async with AIOKafkaProducer(
                bootstrap_servers=selected_broker.servers, compression_type=codec, linger_ms=linger_ms
            ) as producer:
                await write(producer, tp, 25)
    assert await assert_equal_reads(selected_broker, tp, (0, 13, 26, 249)) == list(range(250))


@on_kafka
@pytest.mark.parametrize("codec", CODECS[1:])
async def test_batches_that_the_broker_compressed_are_read(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], codec: str
) -> None:
    """By Java's libraries, which frame some codecs in another way than ours."""
    tp = await new_topic(selected_broker, unique_name("payments"), {"compression.type": codec})
    async with AIOKafkaProducer(bootstrap_servers=selected_broker.servers, linger_ms=20) as producer:
        await write(producer, tp, 100)
    assert await assert_equal_reads(selected_broker, tp, (0, 60)) == list(range(100))


@on_kafka
@pytest.mark.parametrize("codec", CODECS)
async def test_transactions_are_read_as_they_ended(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], codec: str | None
) -> None:
    """Four records, and the marker after them, of each transaction; every third one is aborted."""
    tp = await new_topic(selected_broker, unique_name("payments"))
    async with (
        AIOKafkaProducer(
            bootstrap_servers=selected_broker.servers, transactional_id=tp.topic, compression_type=codec
        ) as producer,
        AIOKafkaProducer(bootstrap_servers=selected_broker.servers) as other,
    ):
        for number in range(9):
            await producer.begin_transaction()
            await write(producer, tp, 4)
            if number == 4:
                await write(other, tp, 1)
            await (producer.abort_transaction() if number % 3 == 1 else producer.commit_transaction())
    offsets = await assert_equal_reads(selected_broker, tp, (0, 3, 5, 7, 22, 40))
    assert offsets == [*range(4), *range(10, 14), *range(15, 19), 24, *range(26, 30), *range(31, 35), *range(41, 45)]


@on_kafka
async def test_times_that_the_broker_sets_and_a_log_without_its_beginning_are_read(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str]
) -> None:
    tp = await new_topic(selected_broker, unique_name("payments"), {"message.timestamp.type": "LogAppendTime"})
    async with AIOKafkaProducer(bootstrap_servers=selected_broker.servers, linger_ms=20) as producer:
        await write(producer, tp, 25)
    await delete_records(Brokers(selected_broker.servers), tp.topic, {0: 10})
    received = await read(selected_broker, tp, 10, 100, as_spans=True)
    assert min(record[1] for record in received.records) > 1_700_000_000_000, "not the producer's"
    assert await assert_equal_reads(selected_broker, tp, (10,)) == list(range(10, 25))


@on_kafka
async def test_what_compaction_has_left_is_read(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str]
) -> None:
    settings = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    tp = await new_topic(selected_broker, unique_name("changelog"), settings)
    async with AIOKafkaProducer(bootstrap_servers=selected_broker.servers, linger_ms=20) as producer:
        for k in range(60):
            await producer.send(tp.topic, b"row", b"%d" % (k % 7), partition=0)
        await producer.flush()
        await asyncio.sleep(0.2)
        await producer.send_and_wait(tp.topic, b"row", b"last", partition=0)  # rolls the segment
    async with asyncio.timeout(60):
        while len((await read(selected_broker, tp, 0, 100, as_spans=False)).records) > 40:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    offsets = await assert_equal_reads(selected_broker, tp, (0, 20, 55))
    assert len(offsets) < 40
    assert offsets[0] > 40, "the first batch begins with records that are gone"
