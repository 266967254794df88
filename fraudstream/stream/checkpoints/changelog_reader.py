"""A partition of the changelog as it stands now, read from outside: by whoever saves it, or asks how far it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from fraudstream.kafka.closing import close
from fraudstream.kafka.to_the_end import from_the_beginning, up_to
from fraudstream.stream.settings import StreamSettings

RECORDS_AT_ONCE = 20_000


class ChangelogReader(NamedTuple):
    """Made by `changelog_reader`. Its methods raise `StalledError`."""

    settings: StreamSettings
    consumer: AIOKafkaConsumer

    async def records(self, partition: int) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """What the partition holds now, in its order and in pieces, without what belongs to no finished transaction."""
        tp = TopicPartition(self.settings.changelog_topic, partition)
        async for records in up_to(self.consumer, tp, await self.end(partition), RECORDS_AT_ONCE):
            yield records

    async def end(self, partition: int) -> int:
        """The offset behind the last record that counts, or behind what follows it."""
        tp = TopicPartition(self.settings.changelog_topic, partition)
        if self.settings.checkpoint_mode == "transaction":
            self.consumer.assign([tp])
            self.consumer.seek(tp, 0)
            return int((await self.consumer.end_offsets([tp]))[tp])
        return await from_the_beginning(self.consumer, tp)


@asynccontextmanager
async def changelog_reader(settings: StreamSettings) -> AsyncIterator[ChangelogReader]:
    consumer = AIOKafkaConsumer(
        **settings.brokers.options(),
        client_id=f"{settings.app_id}-changelog-reader",
        fetch_max_wait_ms=settings.fetch_wait,
        isolation_level="read_committed" if settings.checkpoint_mode == "transaction" else "read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        yield ChangelogReader(settings, consumer)
    finally:
        await close(consumer)
