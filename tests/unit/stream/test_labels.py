"""Labels are forwarded one list behind the other: none is left out, whatever a rebalance drops on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from aiokafka import AIOKafkaProducer, ConsumerRecord
from faust.types import TP

from fraudstream.stream.faust.transport import RecordBatch
from fraudstream.stream.labels import LabelForwarder
from fraudstream.stream.outputs import Acknowledgement, Output, OutputRecord

PLACE = TP("labels", 2)
NOBODY = cast(AIOKafkaProducer, None)


class Payments:
    """The output: notes the values that it is given, and acknowledges them."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def send(
        self, producer: AIOKafkaProducer, partition: int | None, records: Iterable[OutputRecord], timestamp_ms: int
    ) -> set[Acknowledgement]:
        self.values += [value for _, value, _ in records]
        done: Acknowledgement = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return {done}


class Lists:
    def __init__(self) -> None:
        self.sought: list[int] = []
        self.committed: list[int] = []

    async def seek_partition(self, tp: TP, offset: int) -> None:
        self.sought.append(offset)

    async def commit_group_offsets(self, offsets: Mapping[TP, int]) -> None:
        self.committed += offsets.values()


def fetched(first: int, following: int) -> RecordBatch:
    records: Sequence[ConsumerRecord] = [
        ConsumerRecord("labels", 2, offset, 0, 0, b"a", b"%d" % offset, None, 1, 1, ())
        for offset in range(first, following)
    ]
    return RecordBatch(records, first, following, following)


def new_forwarder() -> tuple[LabelForwarder, Payments, Lists]:
    payments, lists = Payments(), Lists()
    return LabelForwarder("labels", cast(Output, payments), lists), payments, lists


async def test_a_list_behind_one_that_was_dropped_is_not_taken_and_fetching_goes_back() -> None:
    forwarder, payments, lists = new_forwarder()
    forwarder.resume({PLACE: 60})
    assert await forwarder.forward(PLACE, fetched(65, 70), NOBODY) == 0
    assert (payments.values, lists.sought, lists.committed) == ([], [60], [])
    assert await forwarder.forward(PLACE, fetched(60, 70), NOBODY) == 10
    assert (payments.values, lists.committed) == ([b"%d" % offset for offset in range(60, 70)], [70])


async def test_what_was_forwarded_is_not_forwarded_again() -> None:
    forwarder, payments, lists = new_forwarder()
    forwarder.resume({PLACE: 0})
    await forwarder.forward(PLACE, fetched(0, 3), NOBODY)
    assert await forwarder.forward(PLACE, fetched(0, 3), NOBODY) == 0
    assert await forwarder.forward(PLACE, fetched(1, 5), NOBODY) == 2
    assert (payments.values, lists.committed, lists.sought) == ([b"0", b"1", b"2", b"3", b"4"], [3, 5], [])


async def test_a_list_of_a_partition_that_left_is_passed_over() -> None:
    forwarder, payments, lists = new_forwarder()
    forwarder.resume({PLACE: 0, TP("payments", 2): 0})
    forwarder.resume({TP("payments", 2): 0})
    assert await forwarder.forward(PLACE, fetched(0, 3), NOBODY) == 0
    assert (payments.values, lists.committed) == ([], [])
