"""Reads on in several partitions of a changelog, without a consumer group: the port `FollowsChangelog`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from fraudstream.kafka.closing import close
from fraudstream.stream.ports import ChangelogPart
from fraudstream.stream.settings import StreamSettings

POLL_MS: Final = 500
RECORDS_MAX: Final = 2_000  # applied without a pause: a few milliseconds, in which nothing else runs
FETCH_BYTES_MAX: Final = 4 << 20


class ChangelogFollower:
    """Of one stage. Connects at the first read."""

    def __init__(self, settings: StreamSettings) -> None:
        """`settings`: of the stage."""
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[int, int] = {}  # of the assigned partitions, after the last read

    async def read(self, positions: Mapping[int, int | None]) -> Mapping[int, ChangelogPart]:
        """See `FollowsChangelog.read`."""
        consumer = await self._started()
        await self._assign(consumer, positions)
        if not positions:
            return {}
        try:
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
        except OffsetOutOfRangeError as error:
            lost = {partition.partition for partition in error.args[0]}
            self._positions = {}
            return {number: ChangelogPart((), 0, None, lost=True) for number in lost if number in positions}
        parts = {}
        for number in positions:
            partition = self._partition(number)
            self._positions[number] = following = await consumer.position(partition)
            parts[number] = ChangelogPart(fetched.get(partition, ()), following, self._end(consumer, partition))
        return parts

    async def close(self) -> None:
        """See `FollowsChangelog.close`."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await close(consumer)

    async def _assign(self, consumer: AIOKafkaConsumer, positions: Mapping[int, int | None]) -> None:
        """Let the consumer continue at `positions`, and forget what it has fetched from elsewhere."""
        if self._positions.keys() == positions.keys() and all(self._positions[n] == at for n, at in positions.items()):
            return
        partitions = {number: self._partition(number) for number in positions}
        new = [partitions[number] for number, position in positions.items() if position is None]
        begins = await consumer.beginning_offsets(new) if new else {}
        consumer.assign(list(partitions.values()))
        self._positions = {number: begins[partitions[number]] if at is None else at for number, at in positions.items()}
        for number, position in self._positions.items():
            consumer.seek(partitions[number], position)

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            settings = self._settings
            consumer = AIOKafkaConsumer(
                **settings.brokers.options(),
                client_id=f"{settings.app_id}-standby",
                isolation_level="read_committed" if settings.checkpoint_mode == "transaction" else "read_uncommitted",
                enable_auto_commit=False,
                auto_offset_reset="none",
                fetch_max_wait_ms=settings.fetch_wait,
                max_partition_fetch_bytes=FETCH_BYTES_MAX,
            )
            try:
                await consumer.start()
            except BaseException:
                await close(consumer)
                raise
            self._consumer, self._positions = consumer, {}
        return self._consumer

    def _partition(self, number: int) -> TopicPartition:
        return TopicPartition(self._settings.changelog_topic, number)

    def _end(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
        """The end of the committed records as the last fetch reported it, None before the first."""
        transactional = self._settings.checkpoint_mode == "transaction"
        end = consumer.last_stable_offset(partition) if transactional else consumer.highwater(partition)
        return int(end) if end is not None and end >= 0 else None
