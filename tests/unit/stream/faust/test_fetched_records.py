"""What an aiokafka fetcher returns once it reads spans: the fetcher is aiokafka's own, its client a stand-in.

So these tests fail where a name that `fetched_records` uses is missing in another version of aiokafka.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from fraudstream.engine.records import Records
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust.fetched_records import read_as_spans
from tests.unit.kafka.record_batch.drawn_batches import (
    CRC_AT,
    TRANSACTIONAL,
    Drawn,
    batch_of,
    marker,
)

TP0 = TopicPartition("payments", 0)


def record(number: int) -> Drawn:
    return 1_700_000_000_000 + number, b"a%d" % number, b"value %d" % number, [("type", b"label")]


def values(records: Sequence[Any]) -> list[bytes | None]:
    return [record.value for record in records]


class Log:
    """A broker's log of one partition, and the client that asks for it. `error_code`: of the answers."""

    def __init__(self, *batches: bytes, aborted: Sequence[tuple[int, int]] = ()) -> None:
        self.batches, self.aborted, self.error_code = list(batches), list(aborted), 0
        self._loop, self._metadata_max_age_ms = asyncio.get_running_loop(), 300_000
        self.cluster = SimpleNamespace(leader_for_partition=lambda tp: 0)

    async def send(self, _: int, request: Any) -> Any:
        assert isinstance(request, FetchRequest), "the fetcher asks for records by this class"
        ((topic, ((number, position, _size),)),) = request.topics
        data = b"".join(batch for batch in self.batches if next_offset(batch) > position)
        if not data and not self.error_code:
            await asyncio.sleep(3600)
        found = (number, self.error_code, 100, 100, self.aborted, data)
        return SimpleNamespace(API_VERSION=4, topics=[(topic, [found])])


def next_offset(batch: bytes) -> int:
    return int.from_bytes(batch[:8], "big") + (int.from_bytes(batch[23:27], "big") if batch[16] == 2 else 0) + 1


@asynccontextmanager
async def fetcher_of(log: Log, position: int = 0) -> AsyncIterator[Any]:
    subscriptions = SubscriptionState()
    subscriptions.assign_from_user({TP0})
    subscriptions.subscription.assignment.state_value(TP0).seek(position)
    fetcher = Fetcher(log, subscriptions, isolation_level="read_committed", prefetch_backoff=0.01)
    assert fetcher._isolation_level == READ_COMMITTED
    read_as_spans(fetcher)
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def fetch(fetcher: Any, at_most: int | None = None) -> Records:
    found = (await asyncio.wait_for(fetcher.fetched_records({TP0}, timeout=5.0, max_records=at_most), 10))[TP0]
    assert isinstance(found, Records)
    return found


def position(fetcher: Any) -> int:
    return int(fetcher._subscriptions.subscription.assignment.state_value(TP0).position)


async def test_records_come_as_spans_and_the_position_follows_them() -> None:
    log = Log(batch_of([record(0), record(1), (5, None, None, [])], base=0), batch_of([record(3)], base=3, codec=4))
    async with fetcher_of(log, position=1) as fetcher:
        found = await fetch(fetcher)
        assert [(r.offset, r.timestamp, r.key, r.value) for r in found] == [
            (1, 1_700_000_000_001, b"a1", b"value 1"),
            (2, 5, None, None),
            (3, 1_700_000_000_003, b"a3", b"value 3"),
        ]
        assert found[0].headers == (("type", b"label"),)
        assert position(fetcher) == 4


async def test_a_fetch_of_at_most_some_records_leaves_the_others_for_the_next() -> None:
    async with fetcher_of(Log(batch_of([record(k) for k in range(5)], base=0))) as fetcher:
        assert values(await fetch(fetcher, 2)) == [b"value 0", b"value 1"]
        assert position(fetcher) == 2
        assert values(await fetch(fetcher, 3)) == [b"value 2", b"value 3", b"value 4"]
        assert position(fetcher) == 5
        assert fetcher._records == {}, "so the fetcher asks for more"


async def test_a_seek_drops_what_was_fetched() -> None:
    async with fetcher_of(Log(batch_of([record(k) for k in range(5)], base=0))) as fetcher:
        await fetch(fetcher, 1)
        fetcher.seek_to(TP0, 3)
        assert values(await fetch(fetcher)) == [b"value 3", b"value 4"]


async def test_aborted_records_are_left_out_and_the_position_passes_them_and_their_marker() -> None:
    log = Log(
        batch_of([record(0)], base=0, attributes=TRANSACTIONAL, producer=7),
        marker(1, 7, committed=False),
        batch_of([record(2)], base=2, attributes=TRANSACTIONAL, producer=7),
        marker(3, 7, committed=True),
        aborted=[(7, 0)],
    )
    async with fetcher_of(log) as fetcher:
        assert values(await fetch(fetcher)) == [b"value 2"]
        assert position(fetcher) == 4


async def test_a_corrupt_batch_is_named_after_those_before_it_and_is_fetched_again_afterwards() -> None:
    good, corrupt = batch_of([record(0)], base=0), bytearray(batch_of([record(1)], base=1))
    corrupt[CRC_AT] ^= 1
    log = Log(good, bytes(corrupt))
    async with fetcher_of(log) as fetcher:
        assert values(await fetch(fetcher)) == [b"value 0"]
        with pytest.raises(WorkerFailure, match="payments-0: the record batch at offset 1 does not match its checksum"):
            await fetch(fetcher)
        log.batches[1] = batch_of([record(1)], base=1)  # it was the network
        assert values(await fetch(fetcher)) == [b"value 1"]


@pytest.mark.parametrize("magic", [0, 1])
async def test_batches_in_kafkas_older_formats_are_read(magic: int) -> None:
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    for offset in range(2):
        builder.append(offset, 1_000, b"key", b"old %d" % offset)
    data = bytes(builder.build())
    async with fetcher_of(Log(data)) as fetcher:
        assert values(await fetch(fetcher)) == [b"old 0", b"old 1"]


async def test_an_error_of_a_broker_is_raised_as_without_spans() -> None:
    log = Log()
    log.error_code = TopicAuthorizationFailedError.errno
    async with fetcher_of(log) as fetcher:
        with pytest.raises(TopicAuthorizationFailedError):
            await fetch(fetcher)


async def test_results_that_the_fetcher_had_before_are_read_as_well() -> None:
    log = Log(batch_of([record(0)], base=0))
    async with fetcher_of(log) as fetcher:
        await fetcher._create_fetch_waiter()
        held = fetcher._records[TP0]
        held._partition_records, fetcher._records = held._partition_records._aiokafkas, {TP0: held}
        read_as_spans(fetcher)
        assert values(await fetch(fetcher)) == [b"value 0"]


async def test_a_result_that_is_dropped_does_not_wait_for_the_garbage_collector() -> None:
    async with fetcher_of(Log(batch_of([record(0)], base=0))) as fetcher:
        await fetcher._create_fetch_waiter()
        gc.disable()
        try:
            held = ref(fetcher._records[TP0])
            del fetcher._records[TP0]
            assert held() is None
        finally:
            gc.enable()
