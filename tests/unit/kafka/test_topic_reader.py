"""The topic reader reads exactly [begin, end), and no wait of it is without a limit. The consumer is a stand-in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition

from fraudstream.kafka import Brokers
from fraudstream.kafka.stall_detector import OpenTransactionError, StalledError
from fraudstream.kafka.topic_reader import NoTopicError, OffsetRange, TopicReader
from tests.unit.kafka.fake_consumer import (
    FakeConsumer,
    Record,
    SilentConsumer,
    SlowConsumer,
    lister,
    record,
    silent_lister,
)

TOPIC, TP = "payments", TopicPartition("payments", 0)
LIMIT_S = 0.05


def reader(consumer: FakeConsumer, **options: Any) -> TopicReader:
    settings: dict[str, Any] = {"committed_only": False, "limit_s": LIMIT_S, "list_partitions": lister(0)}
    return TopicReader(Brokers("b:1"), consumer=consumer, **settings | options)


def log(*offsets: int) -> dict[TopicPartition, list[Record]]:
    return {TP: [record(TOPIC, 0, offset) for offset in offsets]}


async def offsets_of(chunks: Any) -> list[list[int]]:
    return [[found.offset for found in records] async for records in chunks]


async def test_the_whole_partition_comes_in_order_and_in_chunks() -> None:
    async with reader(FakeConsumer(log(3, 4, 5, 6, 7))) as opened:
        assert await opened.extent(TOPIC, 0) == OffsetRange(3, 8)
        assert await offsets_of(opened.whole(TOPIC, 0, chunk_records=2)) == [[3, 4], [5, 6], [7]]


async def test_the_consumer_is_closed_after_the_block() -> None:
    consumer = FakeConsumer(log(0))
    async with reader(consumer):
        assert not consumer.closed
    assert consumer.closed


async def test_a_read_ends_before_its_end_even_if_a_fetch_brings_more() -> None:
    async with reader(FakeConsumer(log(0, 1, 2, 3))) as opened:
        assert await offsets_of(opened.forward(TOPIC, 0, 1, 3)) == [[1, 2]]


async def test_a_read_ends_behind_transaction_markers_that_no_fetch_returns() -> None:
    consumer = FakeConsumer(log(0, 1), ends={TP: 4})
    async with reader(consumer, committed_only=True) as opened:
        assert await opened.extent(TOPIC, 0) == OffsetRange(0, 4)
        assert await offsets_of(opened.whole(TOPIC, 0)) == [[0, 1]]


async def test_an_empty_partition_has_no_records() -> None:
    async with reader(FakeConsumer(log())) as opened:
        assert await opened.extent(TOPIC, 0) == OffsetRange(0, 0)
        assert await offsets_of(opened.whole(TOPIC, 0)) == []


async def test_progress_is_reported_before_each_fetch() -> None:
    reported: list[tuple[str, int, int]] = []
    async with reader(FakeConsumer(log(2, 3, 4)), progress=lambda *facts: reported.append(facts)) as opened:
        await offsets_of(opened.whole(TOPIC, 0, chunk_records=2))
    assert reported == [("payments-0", 0, 3), ("payments-0", 2, 3)]


async def test_a_record_that_is_not_readable_yet_is_waited_for_without_transactions() -> None:
    late = [record(TOPIC, 0, 1)]
    async with reader(FakeConsumer(log(0, 2), late=late)) as opened:
        assert await offsets_of(opened.forward(TOPIC, 0, 0, 3, contiguous=True)) == [[0], [1, 2]]


async def test_gaps_of_a_compacted_topic_are_not_waited_for() -> None:
    async with reader(FakeConsumer(log(0, 5))) as opened:
        assert await offsets_of(opened.whole(TOPIC, 0)) == [[0, 5]]


async def test_the_first_record_of_a_time_is_found() -> None:
    async with reader(FakeConsumer(log(0, 10, 20))) as opened:
        assert await opened.offset_at(TOPIC, 0, 11) == 20
        assert await opened.offset_at(TOPIC, 0, 21) is None


async def test_a_missing_topic_is_named() -> None:
    async with reader(FakeConsumer(log()), list_partitions=lister()) as opened:
        with pytest.raises(NoTopicError, match="there is no topic 'payments'") as missing:
            await opened.partitions(TOPIC)
    assert missing.value.topic == TOPIC


@pytest.mark.parametrize("silent", ["beginning_offsets", "end_offsets", "getmany", "position"])
async def test_brokers_that_never_answer_end_a_read(silent: str) -> None:
    async with asyncio.timeout(5), reader(SilentConsumer(log(0, 1), silent)) as opened:
        with pytest.raises(StalledError, match=r"within 0\.05 s") as stalled:
            await offsets_of(opened.whole(TOPIC, 0))
    assert (stalled.value.topic, stalled.value.seconds) == (TOPIC, LIMIT_S)


async def test_brokers_that_never_answer_end_the_search_for_a_time_and_for_partitions() -> None:
    silent = SilentConsumer(log(0), "offsets_for_times")
    async with asyncio.timeout(5), reader(silent, list_partitions=silent_lister) as opened:
        with pytest.raises(StalledError):
            await opened.offset_at(TOPIC, 0, 1)
        with pytest.raises(StalledError, match="payments: no answer from the brokers"):
            await opened.partitions(TOPIC)


async def test_fetches_without_progress_end_a_read_and_name_the_position() -> None:
    async with asyncio.timeout(5), reader(SlowConsumer(log(0, 1))) as opened:
        with pytest.raises(StalledError, match="payments-0: no answer from the brokers"):
            await opened.extent(TOPIC, 0)
        with pytest.raises(StalledError, match="payments-0: no record from offset 1 on") as stalled:
            await offsets_of(opened.forward(TOPIC, 0, 1, 2))
    assert (stalled.value.partition, stalled.value.position) == (0, 1)


async def test_a_read_that_an_open_transaction_holds_back_says_so() -> None:
    consumer = FakeConsumer(log(0, 1), ends={TP: 7})
    consumer.stable = 2
    async with reader(consumer, committed_only=True) as opened:
        _, end = await opened.extent(TOPIC, 0, high_watermark=True)
        with pytest.raises(
            OpenTransactionError, match="open transaction of a publisher has held back the records 2 to 6"
        ):
            await offsets_of(opened.forward(TOPIC, 0, 0, end))


async def test_a_read_to_the_last_stable_offset_does_not_wait_for_a_transaction() -> None:
    consumer = FakeConsumer(log(0, 1), ends={TP: 7})
    consumer.stable = 2
    async with reader(consumer, committed_only=True) as opened:
        assert await offsets_of(opened.whole(TOPIC, 0)) == [[0, 1]]
