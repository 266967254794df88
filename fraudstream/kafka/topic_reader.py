"""The one reader of topics from a position to an end, without a consumer group.

The end of a partition is taken from the answer to a fetch, because `end_offsets` is too low on some brokers
(docs/decisions/0016-clients-and-codecs.md). Every wait has a time limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from fraudstream.kafka.brokers import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.offset_gaps import OffsetGaps
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.stall_detector import STALL_LIMIT_S, OpenTransactionError, StallDetector, StalledError

FETCH_WAIT_MS: Final = 50  # at most: a fetch at the end of a partition takes so long, and none is for new records
POLL_MS: Final = 200
END_POLL_MS: Final = 20  # a fetch without records tells the end too, but does not end a poll
CHUNK_RECORDS: Final = 5_000
FETCH_BYTES_MAX: Final = 8 << 20  # at least the largest record: a rule set on `controls`
CLOSE_S_MAX: Final = 1.0

ReportProgress = Callable[[str, int, int], None]  # "topic-partition", records read, records to read at most
PartitionLister = Callable[[Brokers, str], Coroutine[Any, Any, list[int]]]
T = TypeVar("T")


class NoTopicError(Exception):
    """The topic, or the partition of it, does not exist. `topic`: its name."""

    def __init__(self, topic: str, partition: int | None = None) -> None:
        self.topic, self.partition = topic, partition
        super().__init__(
            f"there is no topic '{topic}'" if partition is None else f"'{topic}' has no partition {partition}"
        )


class OffsetRange(NamedTuple):
    """Offsets of a partition: `begin` of the first record, `end` after the last."""

    begin: int
    end: int


class Consumer(Protocol):
    """The part of aiokafka's `AIOKafkaConsumer` that `TopicReader` uses."""

    async def start(self) -> None:
        """Connect to the cluster."""

    async def stop(self) -> None:
        """Close the connections."""

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Replace the assigned partitions."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Fetch from `offset` next."""

    async def position(self, partition: TopicPartition) -> int:
        """The next offset to fetch."""

    def highwater(self, partition: TopicPartition) -> int | None:
        """High watermark of the last fetch; None before the first."""

    def last_stable_offset(self, partition: TopicPartition) -> int | None:
        """Last stable offset of the last fetch; None or -1 before the first."""

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offset of each partition."""

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The end of each partition; too low on some brokers."""

    async def offsets_for_times(self, timestamps: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, Any]:
        """The first record of each partition at or after a time in ms."""

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]:
        """The records of one fetch, by partition."""


class TopicReader:
    """Reads partitions of topics. An asynchronous context manager; use it for one read at a time.

    `committed_only`: leave out records of open and aborted transactions. `progress`: called before each fetch.
    `fetch_wait_ms`: how long the broker may wait for data, `FETCH_WAIT_MS` at most. `limit_s`: after so many seconds
    without an answer or without progress every method raises `StalledError`. `consumer`, `list_partitions`: stand-ins
    for aiokafka's clients. Every method raises aiokafka's errors, too.
    """

    def __init__(
        self,
        brokers: Brokers,
        *,
        committed_only: bool,
        progress: ReportProgress | None = None,
        fetch_wait_ms: int = FETCH_WAIT_MS,
        client_id: str = "fraudstream-topic-reader",
        limit_s: float = STALL_LIMIT_S,
        consumer: Consumer | None = None,
        list_partitions: PartitionLister = partitions_of,
    ) -> None:
        self._brokers, self._committed_only, self._progress = brokers, committed_only, progress
        self._limit_s, self._list_partitions = limit_s, list_partitions
        self._consumer: Consumer = consumer or AIOKafkaConsumer(
            **brokers.options(),
            client_id=client_id,
            isolation_level="read_committed" if committed_only else "read_uncommitted",
            fetch_max_wait_ms=min(fetch_wait_ms, FETCH_WAIT_MS),
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )

    async def __aenter__(self) -> TopicReader:
        try:
            await self._consumer.start()  # aiokafka limits the time of its first request itself
        except BaseException:
            await close(self._consumer, CLOSE_S_MAX)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await close(self._consumer, CLOSE_S_MAX)

    async def partitions(self, topic: str) -> list[int]:
        """Partition numbers of `topic`, ascending. Raises `NoTopicError`, `StalledError`."""
        found = await self._answer(self._list_partitions(self._brokers, topic), topic)
        if not found:
            raise NoTopicError(topic)
        return found

    async def extent(self, topic: str, partition: int, *, high_watermark: bool = False) -> OffsetRange:
        """Begin and end of one partition, as `extents`. Raises `StalledError`."""
        return (await self.extents(topic, [partition], high_watermark=high_watermark))[partition]

    async def extents(
        self, topic: str, partitions: Sequence[int], *, high_watermark: bool = False
    ) -> dict[int, OffsetRange]:
        """Begin and end of several partitions, now, by partition number.

        The end is the last stable offset if only committed records are read, else the high watermark. `high_watermark`:
        always that, so that a read up to it also waits for transactions that are open now. Raises `StalledError`.
        """
        stable = self._committed_only and not high_watermark
        tps = [TopicPartition(topic, partition) for partition in partitions]
        begins = await self._answer(self._consumer.beginning_offsets(tps), topic)
        near_ends = await self._answer(self._consumer.end_offsets(tps), topic)
        self._consumer.assign(tps)  # also forgets the ends of earlier fetches
        for tp in tps:
            # At the last record the broker answers at once; at the end it waits for data that may not come.
            self._consumer.seek(tp, max(begins[tp], near_ends[tp] - 1))
        return {tp.partition: OffsetRange(begins[tp], await self._end_of_fetch(tp, stable)) for tp in tps}

    async def _end_of_fetch(self, tp: TopicPartition, stable: bool) -> int:
        """The end of an assigned partition, from the answer to a fetch. `stable`: the last stable offset."""
        end_of = self._consumer.last_stable_offset if stable else self._consumer.highwater
        stall = StallDetector(tp.topic, tp.partition, self._limit_s)
        while (end := end_of(tp)) is None or end < 0:
            stall.check(None)
            fetching = self._consumer.getmany(tp, timeout_ms=END_POLL_MS, max_records=1)
            await self._answer(fetching, tp.topic, tp.partition)
        return int(end)

    async def offset_at(self, topic: str, partition: int, time_ms: int) -> int | None:
        """Offset of the first record with a timestamp (ms since the epoch, UTC) of at least `time_ms`; None if there
        is none. Raises `StalledError`."""
        tp = TopicPartition(topic, partition)
        found = (await self._answer(self._consumer.offsets_for_times({tp: time_ms}), topic, partition))[tp]
        return None if found is None else int(found.offset)

    async def forward(
        self,
        topic: str,
        partition: int,
        begin: int,
        end: int,
        *,
        chunk_records: int = CHUNK_RECORDS,
        contiguous: bool = False,
    ) -> AsyncIterator[list[ConsumerRecord[bytes, bytes]]]:
        """The records from offset `begin` to before `end`, in non-empty chunks of at most `chunk_records`.

        `contiguous`: the topic is never compacted, so without transactions (`committed_only` false) a gap between
        offsets is a record that is not readable yet: wait for it (see `OffsetGaps`). The read ends by position, not by
        the last record, as the last offsets may be transaction markers. Raises `StalledError`.
        """
        tp = TopicPartition(topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, begin)
        gaps = OffsetGaps(self._consumer) if contiguous and not self._committed_only else None
        stall = StallDetector(topic, partition, self._limit_s)
        while (position := await self._answer(self._consumer.position(tp), topic, partition)) < end:
            try:
                stall.check(position)
            except StalledError as stalled:
                raise self._open_transaction(tp, position) or stalled from None
            if self._progress is not None:
                self._progress(f"{topic}-{partition}", position - begin, end - begin)
            fetching = self._consumer.getmany(tp, timeout_ms=POLL_MS, max_records=chunk_records)
            fetched = (await self._answer(fetching, topic, partition, position)).get(tp, ())
            if gaps is not None:
                fetched = gaps.contiguous(tp, position, fetched)
            if records := [record for record in fetched if record.offset < end]:
                yield records

    def _open_transaction(self, tp: TopicPartition, position: int) -> OpenTransactionError | None:
        """The error of a read that an open transaction holds back; None if none does, as far as fetches have shown."""
        stable, high = self._consumer.last_stable_offset(tp), self._consumer.highwater(tp)
        if not self._committed_only or stable is None or high is None or not 0 <= stable <= position < high:
            return None
        return OpenTransactionError(tp.topic, tp.partition, position, high, self._limit_s)

    async def whole(
        self, topic: str, partition: int, *, chunk_records: int = CHUNK_RECORDS, contiguous: bool = False
    ) -> AsyncIterator[list[ConsumerRecord[bytes, bytes]]]:
        """All records that the partition holds now, as `forward` reads them. Raises `StalledError`."""
        begin, end = await self.extent(topic, partition)
        async for records in self.forward(
            topic, partition, begin, end, chunk_records=chunk_records, contiguous=contiguous
        ):
            yield records

    async def _answer(
        self, request: Coroutine[Any, Any, T], topic: str, partition: int | None = None, position: int | None = None
    ) -> T:
        """The result of `request`. Raises `StalledError` if it takes longer than the time limit.

        Not by `asyncio.timeout`, which waits for the request to be cancelled, and a client may swallow that.
        """
        task = asyncio.ensure_future(request)
        try:
            await asyncio.wait({task}, timeout=self._limit_s)
            if not task.done():
                raise StalledError(topic, partition, position, self._limit_s)
            return task.result()
        finally:
            task.cancel()
