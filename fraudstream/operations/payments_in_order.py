"""Reads the payments topic as one log: the records of all partitions in the order in which they were published.

    partition 0    p1 (10:00)            p3 (10:02)  ──┐
    partition 1               p2 (10:01)             ──┴──►  p1 p2 p3

Within a partition the order is that of the log: a record counts as published no earlier than those before it. Records
that are no valid payment or label, and switches of rule sets, are passed over. A list entry stands in each partition,
so it comes as often, which changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby
from typing import Any, Final, NamedTuple, cast

import numpy as np
from aiokafka import ConsumerRecord

from fraudstream.contracts import Label, Payment
from fraudstream.contracts.control import ListEntry
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER, TYPE_HEADER
from fraudstream.contracts.record_signature import NOT_REQUIRED, RecordSignatures
from fraudstream.engine.arrays import Int8Array, Int64Array
from fraudstream.engine.columns import Rejection, time_ms
from fraudstream.engine.contract_check import checked_events
from fraudstream.engine.log import list_entry
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader
from fraudstream.operations.errors import MissingTopicError

NEWEST_RECORDS: Final = 200  # of each partition

_Event = Payment | Label | ListEntry
_Name = tuple[str, str]  # account_id and event_id: two accounts may have payments of one id


class PublishedEvents(NamedTuple):
    """n payments and labels in the order of publication. `published_at_ms`: ms since the epoch, UTC, int64, ascending.
    `labels`: what the newest label of the topic says of each payment: 1 fraud, 0 genuine, -1 unlabelled or no payment;
    int8. Arrays have shape (n,)."""

    events: list[Payment | Label]
    published_at_ms: Int64Array
    labels: Int8Array


class NewestPayments(NamedTuple):
    """`occurred_at_ms`: of the middle one of the newest payments, as single ones may be late or in the future.
    `published_at_ms`: of the last one. Both are ms since the epoch, UTC."""

    occurred_at_ms: int
    published_at_ms: int


@asynccontextmanager
async def payments_in_order(
    open_reader: Callable[[], TopicReader],
    topic: str,
    servers: str,
    from_ms: int | None = None,
    signatures: RecordSignatures = NOT_REQUIRED,
) -> AsyncIterator[AsyncIterator[PublishedEvents | ListEntry]]:
    """The events that the topic holds now, in parts of any length, and the list entries between them. The topic is read
    twice, labels first: what was held of each payment until its label comes would be more than what is read again.

    `open_reader`: makes a reader; each partition has one. `servers`: names the cluster in errors. `from_ms`: read what
    was published from then on, ms since the epoch, UTC; None: from the beginning. `signatures`: those that the workers
    require. Raises `MissingTopicError`, `StalledError`, and what aiokafka raises.
    """
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_reader())
        try:
            numbers = await first.partitions(topic)
        except NoTopicError as error:
            raise MissingTopicError(servers, topic) from error
        truth = await _truth(first, topic, numbers, from_ms, signatures)
        readers = [first, *[await stack.enter_async_context(open_reader()) for _ in numbers[1:]]]
        partitions = [
            _Partition(_records(reader, topic, number, from_ms, signatures))
            for reader, number in zip(readers, numbers, strict=True)
        ]
        yield _merged(partitions, truth)


async def newest_payments(open_reader: Callable[[], TopicReader], topic: str, servers: str) -> NewestPayments | None:
    """When the newest payments of a topic occurred and were published; None if its ends hold none.

    Raises as `payments_in_order`.
    """
    found: list[NewestPayments] = []
    async with open_reader() as reader:
        try:
            numbers = await reader.partitions(topic)
        except NoTopicError as error:
            raise MissingTopicError(servers, topic) from error
        for number in numbers:
            begin, end = await reader.extent(topic, number)
            async for records in reader.forward(topic, number, max(begin, end - NEWEST_RECORDS), end):
                _, events = _events(records)
                occurred = sorted(time_ms(event.occurred_at) for event in events if isinstance(event, Payment))
                if occurred:
                    published_at_ms = max(record.timestamp for record in records)
                    found.append(NewestPayments(occurred[len(occurred) // 2], published_at_ms))
    return max(found, default=None)


async def _merged(
    partitions: Sequence[_Partition], truth: dict[_Name, int]
) -> AsyncIterator[PublishedEvents | ListEntry]:
    """Parts up to the earliest time that some partition has been read to; what is published then may be incomplete."""
    while unfinished := [partition for partition in partitions if not partition.finished]:
        await min(unfinished, key=lambda partition: partition.read_to_ms).read_on()
        limit_ms = min((each.read_to_ms for each in partitions if not each.finished), default=None)
        taken = [each.take(limit_ms) for each in partitions]
        events = [event for part, _ in taken for event in part]
        at_ms = np.concatenate([times for _, times in taken])
        order = np.argsort(at_ms, kind="stable")
        for part in _parts([events[index] for index in order.tolist()], at_ms[order], truth):
            yield part


def _parts(
    events: Sequence[_Event], at_ms: Int64Array, truth: dict[_Name, int]
) -> Iterator[PublishedEvents | ListEntry]:
    """The list entries among some events, and what is between them. `at_ms`: when each was published; int64."""
    begin = 0
    for is_entry, run in groupby(events, lambda event: isinstance(event, ListEntry)):
        of_run = list(run)
        end = begin + len(of_run)
        if is_entry:
            yield from cast(list[ListEntry], of_run)
        else:
            between = cast(list[Payment | Label], of_run)
            labels = [truth.get(_name(event), -1) if type(event) is Payment else -1 for event in between]
            yield PublishedEvents(between, at_ms[begin:end], np.array(labels, np.int8))
        begin = end


class _Partition:
    """What was read of a partition and not taken yet. `read_to_ms`: when its last record read was published."""

    def __init__(self, chunks: AsyncIterator[Sequence[Any]]) -> None:
        self.read_to_ms = 0
        self.finished = False
        self._chunks = chunks
        self._events: list[_Event] = []
        self._at_ms: list[int] = []

    async def read_on(self) -> None:
        """Read another chunk."""
        records = await anext(self._chunks, None)
        if records is None:
            self.finished = True
            return
        read_to_ms = self.read_to_ms
        for record, event in zip(*_events(records), strict=True):
            read_to_ms = max(read_to_ms, record.timestamp)
            self._events.append(event)
            self._at_ms.append(read_to_ms)
        self.read_to_ms = max(self.read_to_ms, *(record.timestamp for record in records))

    def take(self, limit_ms: int | None) -> tuple[list[_Event], Int64Array]:
        """The events published before `limit_ms`, all if it is None, and when."""
        times = np.array(self._at_ms, np.int64)
        n = len(times) if limit_ms is None else int(np.searchsorted(times, limit_ms, side="left"))
        taken, self._events, self._at_ms = self._events[:n], self._events[n:], self._at_ms[n:]
        return taken, times[:n]


async def _records(
    reader: TopicReader, topic: str, number: int, from_ms: int | None, signatures: RecordSignatures
) -> AsyncIterator[Sequence[ConsumerRecord[bytes, bytes]]]:
    """The records of a partition that were published from `from_ms` on, without those that workers refuse for their
    signatures."""
    begin, end = await reader.extent(topic, number)
    if from_ms is not None:
        found = await reader.offset_at(topic, number, from_ms)
        begin = end if found is None else max(begin, found)
    async for records in reader.forward(topic, number, begin, end):
        if accepted := list(filter(signatures.accepts, records)):
            yield accepted


async def _truth(
    reader: TopicReader, topic: str, numbers: Iterable[int], from_ms: int | None, signatures: RecordSignatures
) -> dict[_Name, int]:
    """What the newest label of each payment says: 1 fraud, 0 genuine."""
    newest: dict[_Name, tuple[int, int]] = {}
    for number in numbers:
        async for records in _records(reader, topic, number, from_ms, signatures):
            for label in _events([record for record in records if _is_label(record)])[1]:
                assert isinstance(label, Label), "a record with the header of labels is one, or is refused"
                told = (time_ms(label.labelled_at), int(label.label == "fraud"))
                if told[0] >= newest.get(_name(label), told)[0]:
                    newest[_name(label)] = told
    return {name: fraud for name, (_, fraud) in newest.items()}


def _events(records: Sequence[Any]) -> tuple[list[Any], list[_Event]]:
    """The records that hold valid payments, labels and list entries, and these."""
    at = [k for k, record in enumerate(records) if _is_label(record) or TYPE_HEADER not in dict(record.headers)]
    checked = checked_events([records[k].value for k in at], [_is_label(records[k]) for k in at])
    found: dict[int, _Event] = {
        k: event for k, event in zip(at, checked, strict=True) if not isinstance(event, Rejection)
    }
    entries = {k: list_entry(record) for k, record in enumerate(records) if CONTROL_HEADER in record.headers}
    found |= {k: entry for k, entry in entries.items() if entry is not None}
    return [records[k] for k in sorted(found)], [found[k] for k in sorted(found)]


def _is_label(record: Any) -> bool:
    return LABEL_HEADER in record.headers


def _name(event: Payment | Label) -> _Name:
    return event.account_id, event.event_id
