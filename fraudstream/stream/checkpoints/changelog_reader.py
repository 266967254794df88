"""Reads a partition of the changelog from outside the worker: for an export, an import, or the last checkpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from fraudstream.contracts.log_record import LogRecord
from fraudstream.kafka.topic_reader import TopicReader
from fraudstream.stream.settings import StreamSettings

CHUNK_RECORDS: Final = 20_000


class ChangelogReader:
    """Reads the changelog of one stage, without records of unfinished transactions. Made by `changelog_reader`.

    `settings`: of the stage. Its methods raise `StalledError` and the errors of a broker.
    """

    def __init__(self, reader: TopicReader, settings: StreamSettings) -> None:
        self.settings = settings
        self._reader, self._topic = reader, settings.changelog_topic

    async def records(self, partition: int) -> AsyncIterator[Sequence[LogRecord]]:
        """The records that the partition holds now, in order, in chunks."""
        async for records in self._reader.whole(self._topic, partition, chunk_records=CHUNK_RECORDS):
            yield records

    async def tail(self, partition: int, begin: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        """The records from offset `begin` to before `end`, in chunks."""
        async for records in self._reader.forward(self._topic, partition, begin, end, chunk_records=CHUNK_RECORDS):
            yield records

    async def end(self, partition: int) -> int:
        """The offset after the last record of the partition, transaction markers included."""
        return (await self._reader.extent(self._topic, partition)).end


@asynccontextmanager
async def changelog_reader(settings: StreamSettings) -> AsyncIterator[ChangelogReader]:
    """A reader of the changelog of the stage that `settings` describe, closed when the block ends."""
    async with TopicReader(
        settings.brokers,
        committed_only=settings.checkpoint_mode == "transaction",
        fetch_wait_ms=settings.fetch_wait,
        client_id=f"{settings.app_id}-changelog-reader",
    ) as reader:
        yield ChangelogReader(reader, settings)
