"""Reads the topic `cases` from its start: the agent's state and the view in Redis are rebuilt from it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple

from aiokafka import ConsumerRecord

from fraudstream.cases.held import Held
from fraudstream.cases.policy import NO_POLICY, CasePolicy
from fraudstream.cases.record import Position, held_of, position_of
from fraudstream.cases.store import CaseStore
from fraudstream.contracts.case import POSITION_KEY
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka import Brokers
from fraudstream.kafka.stall_detector import STALL_LIMIT_S
from fraudstream.kafka.topic_reader import ReportProgress, TopicReader

CHUNK_RECORDS: Final = 500

ReaderFactory = Callable[[ReportProgress | None], TopicReader]
log = logging.getLogger(__name__)


class CaseRecord(NamedTuple):
    """One record of the topic, at `offset`: a case with its memo and the agent's position when it was written; or
    (`held` None) a position alone; or (both None) the removal of the case `case_id`. `written_at_ms`: when a
    case was written."""

    case_id: str
    held: Held | None
    position: Position | None
    offset: int
    written_at_ms: int = 0


class CaseLog:
    """Reads whole partitions of `topic`.

    `committed_only`: leave out records of open and aborted transactions. `limit_s`: a read without progress for that
    many seconds raises `StalledError`. `open_reader`: replaces the topic reader in tests. Every method opens a consumer
    of its own and raises `KafkaError` if the brokers cannot be reached.
    """

    def __init__(
        self,
        brokers: Brokers,
        topic: str,
        fetch_wait_ms: int,
        committed_only: bool,
        limit_s: float = STALL_LIMIT_S,
        open_reader: ReaderFactory | None = None,
    ) -> None:
        self.topic = topic

        def open_topic_reader(progress: ReportProgress | None) -> TopicReader:
            return TopicReader(
                brokers, committed_only=committed_only, progress=progress, fetch_wait_ms=fetch_wait_ms, limit_s=limit_s
            )

        self._open_reader = open_reader or open_topic_reader

    async def read(
        self, partition: int, on_progress: Callable[[float], None] | None = None
    ) -> AsyncIterator[CaseRecord]:
        """Every record that the partition holds now, in order. A record that is not a case is logged and skipped.

        `on_progress`: called with the share that is read, 0 to 1. Raises `StalledError`.
        """

        def report(_partition: str, done: int, total: int) -> None:
            if on_progress is not None:
                on_progress(done / total)

        async with self._open_reader(report) as reader:
            begin, end = await reader.extent(self.topic, partition, high_watermark=True)
            async for records in reader.forward(self.topic, partition, begin, end, chunk_records=CHUNK_RECORDS):
                for record in records:
                    try:
                        found = _record_of(record)
                    except (*UNDECODABLE, KeyError) as error:
                        log.error("%s-%d: offset %d is not a case: %s", self.topic, partition, record.offset, error)
                        continue
                    yield found

    async def end(self, partition: int) -> int:
        """The high watermark of the partition, now. Raises `StalledError`."""
        async with self._open_reader(None) as reader:
            return (await reader.extent(self.topic, partition, high_watermark=True)).end

    async def restore(
        self,
        partition: int,
        on_progress: Callable[[float], None],
        policy: CasePolicy = NO_POLICY,
        retention_days: int = 0,
    ) -> tuple[CaseStore, Position, int]:
        """The partition's cases, to be continued under `policy` and `retention_days`, the agent's position when
        the last of them was written, and the offset after its record. `on_progress` as for `read`. Raises
        `StalledError`."""
        store, position, end = CaseStore(policy, retention_days), Position(), 0
        async for record in self.read(partition, on_progress):
            if record.held is not None:
                store.restore(record.held, record.written_at_ms)
            elif record.position is None:
                store.remove(record.case_id)
            position, end = record.position or position, record.offset + 1
        return store, position, end


def _record_of(record: ConsumerRecord[bytes, bytes]) -> CaseRecord:
    """Raises an `UNDECODABLE` error or `KeyError` if it is none of the agent's."""
    if record.value is None:
        return CaseRecord((record.key or b"").decode(errors="replace"), None, None, record.offset)
    if record.key == POSITION_KEY:
        return CaseRecord("", None, position_of(record.value), record.offset)
    held, position = held_of(record.value, record.headers)
    return CaseRecord(held.case.case_id, held, position, record.offset, record.timestamp)
