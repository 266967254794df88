"""When the consumer delivers batches to agents, and when it does not. Faust around it is a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from fraudstream.engine.records import Record, records_of
from fraudstream.kafka.linger import Linger
from fraudstream.stream.faust.transport import BatchConsumer
from fraudstream.stream.record_batch import RecordBatch

TP0 = TP("payments", 0)
TP1 = TP("payments", 1)


class Consumer(BatchConsumer):
    """There is always a batch to be fetched; `seek_all` is its thread's."""

    def __init__(self) -> None:
        recovery = SimpleNamespace(in_recovery=False)
        self.app = cast(
            Any,
            SimpleNamespace(
                resume_labels=lambda offsets: None,
                settings=SimpleNamespace(
                    labels_topic="labels", topics_read=(TP0.topic, "labels"), input_topic=TP0.topic
                ),
                seek_offsets=lambda assignment: {TP0: 40},
                consumer_generation_id=1,
                tables=SimpleNamespace(recovery=recovery),
                should_stop=False,
            ),
        )
        thread = SimpleNamespace(
            bounds={TP0: (112, 113), TP1: (40, 45)},
            end_now=lambda tp: 113,
            committed_or_earliest=self.committed_or_earliest,
            seek_all=self.seek_all,
        )
        self._thread = cast(Any, thread)
        self._delivered = {}
        self._linger = Linger(0.0)
        self.suspend_flow = cast(Any, SimpleNamespace(set=lambda: None))
        self.can_resume_flow = cast(Any, SimpleNamespace(clear=lambda: None))
        self.flow_active = True
        self.fetched, self.first = [TP0], {TP0: 112, TP1: 44}
        self.delivered_meanwhile: list[TP] = []
        self.brokers = asyncio.Event()  # they answer
        self.brokers.set()

    should_stop = False

    def assignment(self) -> Any:
        return {TP0}

    def _get_active_partitions(self) -> Any:
        return {TP0}

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109
        await self.brokers.wait()
        return {tp: records_of([Record(self.first[tp], 0, None, None, ())]) for tp in self.fetched}, set(self.fetched)

    async def committed_or_earliest(self, partitions: Sequence[TP]) -> Mapping[TP, int]:
        return {}

    async def seek_all(self, offsets: Mapping[TP, int]) -> None:
        self.delivered_meanwhile = await self.delivered()

    async def delivered(self) -> list[TP]:
        return [tp async for tp, _ in self.getmany(1.0)]


async def test_what_is_fetched_while_recovery_seeks_is_not_delivered() -> None:
    """Faust empties the agents' queues afterwards: a batch delivered in between was missed only when another came, so
    that the end of a quiet log was not judged."""
    consumer = Consumer()
    assert await consumer.delivered() == [TP0]
    assert await consumer.seek_to_committed() == {TP0: 40}
    assert consumer.delivered_meanwhile == []


async def test_all_partitions_of_the_input_that_were_fetched_are_one_message() -> None:
    consumer = Consumer()
    consumer.fetched = [TP1, TP0]
    ((tp, message),) = [delivered async for delivered in consumer.getmany(1.0)]
    assert (tp, message.offset) == (TP1, 44)
    batches = cast(Mapping[int, RecordBatch], message.value)
    assert {number: (each.first, each.next) for number, each in batches.items()} == {1: (40, 45), 0: (112, 113)}


@pytest.mark.parametrize("stopping", [True, False])
async def test_a_cancelled_fetch_ends_without_an_error_only_while_the_worker_stops(stopping: bool) -> None:
    """Faust takes a cancellation in a rebalance for a crash of its fetcher, and logs it with a trace."""
    consumer = Consumer()
    consumer.brokers.clear()
    fetching = asyncio.create_task(consumer._drain_messages(SimpleNamespace(should_stop=False)))
    await asyncio.sleep(0)
    consumer.app.should_stop = stopping  # type: ignore[misc]
    fetching.cancel()
    await asyncio.wait([fetching])
    assert fetching.cancelled() is not stopping
