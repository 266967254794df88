"""Topics as they stand, read without a group, span by span."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.to_the_end import up_to

FETCH_WAIT_MS: Final = 50
RECORDS_AT_ONCE: Final = 5_000
STOP_S_MAX: Final = 1.0

ReportProgress = Callable[[str, int, int], None]  # the partition's name, records read, records to read at most


class NoTopicError(Exception):
    """There is no such topic."""


class OffsetRange(NamedTuple):
    """Offsets of a partition: the first record that is there, and the one after the last."""

    begin: int
    end: int


class TopicReader:
    """`committed_only`: leave out what a transaction aborted. `progress` is called before each fetch."""

    def __init__(self, brokers: Brokers, committed_only: bool, progress: ReportProgress) -> None:
        self._brokers, self._committed_only, self._progress = brokers, committed_only, progress
        self._consumer = AIOKafkaConsumer(
            **brokers.options(),
            isolation_level="read_committed" if committed_only else "read_uncommitted",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=4 << 20,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )

    async def __aenter__(self) -> TopicReader:
        try:
            await self._consumer.start()
        except BaseException:
            await close(self._consumer, STOP_S_MAX)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await close(self._consumer, STOP_S_MAX)

    async def partitions(self, topic: str) -> list[int]:
        """Raises `NoTopicError`."""
        found = await partitions_of(self._brokers, topic)
        if not found:
            raise NoTopicError(f"there is no topic '{topic}'")
        return found

    async def span(self, topic: str, partition: int) -> OffsetRange:
        """What the partition holds now."""
        return (await self.spans(topic, [partition]))[partition]

    async def spans(self, topic: str, partitions: Sequence[int]) -> dict[int, OffsetRange]:
        """The same of several partitions."""
        tps = [TopicPartition(topic, partition) for partition in partitions]
        begins = await self._consumer.beginning_offsets(tps)
        # Too low on the embedded broker, so ask there once more: the answer to a fetch says where the end is.
        ends = await self._consumer.end_offsets(tps)
        self._consumer.assign(tps)
        for tp in tps:
            self._consumer.seek(tp, ends[tp])
        end_of = self._consumer.last_stable_offset if self._committed_only else self._consumer.highwater
        while any(end_of(tp) is None for tp in tps):
            await self._consumer.getmany(*tps, timeout_ms=FETCH_WAIT_MS, max_records=1)
        return {tp.partition: OffsetRange(begins[tp], int(end_of(tp))) for tp in tps}

    async def offset_at(self, topic: str, partition: int, time_ms: int) -> int | None:
        """The first offset whose record is not older than `time_ms`; None if there is none."""
        tp = TopicPartition(topic, partition)
        found = (await self._consumer.offsets_for_times({tp: time_ms}))[tp]
        return None if found is None else int(found.offset)

    async def forward(
        self, topic: str, partition: int, begin: int, end: int
    ) -> AsyncIterator[list[ConsumerRecord[bytes, bytes]]]:
        """The records from `begin` to before `end`, in lists. Raises `StalledError`."""
        tp = TopicPartition(topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, begin)

        def tell(position: int) -> None:
            self._progress(f"{topic}-{partition}", position - begin, end - begin)

        async for records in up_to(self._consumer, tp, end, RECORDS_AT_ONCE, tell):
            yield records
