"""The topic `cases`, read from its start: the agent's state and the view are rebuilt from it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from fraudstream.cases.record import Position, held_of
from fraudstream.cases.store import CaseStore, Held
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close

POLL_MS = 200
STALLED_S = 30.0
RECORDS_MAX = 500

log = logging.getLogger(__name__)


class CaseRecord(NamedTuple):
    """One record of the topic: the case with what it remembers, the agent's position by then, its own offset."""

    held: Held
    position: Position
    offset: int


class CaseLog:
    """Reads whole partitions of `cases`. `committed_only`: leave out what an aborted transaction wrote."""

    def __init__(self, brokers: Brokers, topic: str, fetch_wait_ms: int, committed_only: bool) -> None:
        self.topic = topic
        self._options: dict[str, Any] = {
            **brokers.options(),
            "fetch_max_wait_ms": fetch_wait_ms,
            "isolation_level": "read_committed" if committed_only else "read_uncommitted",
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
        }

    async def read(self, partition: int, tell: Callable[[float], None] | None = None) -> AsyncIterator[CaseRecord]:
        """Every record that stands in the partition now, in order. What is no record of ours is logged and passed over.
        `tell` hears which share is read, 0 to 1.

        The end is the high watermark of the first answer: other ways to ask for it are wrong on the embedded broker. It
        is compared with the consumer's position, as the last records may be control records, which are not handed out.
        Raises `TimeoutError` if for `STALLED_S` nothing comes, `KafkaError` if the broker can't be reached.
        """
        consumer = AIOKafkaConsumer(**self._options)
        try:
            await consumer.start()
            tp = TopicPartition(self.topic, partition)
            consumer.assign([tp])
            consumer.seek(tp, 0)
            end: int | None = None
            at, moved_at = 0, time.monotonic()
            while end is None or at < end:
                if tell is not None and end is not None:
                    tell(at / end)
                fetched = await consumer.getmany(tp, timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                end = consumer.highwater(tp) if end is None else end
                before, at = at, await consumer.position(tp)
                moved_at = time.monotonic() if at > before else moved_at
                if time.monotonic() - moved_at > STALLED_S:
                    raise TimeoutError(f"{self.topic}/{partition}: nothing came after {at} for {STALLED_S:.0f} s")
                for record in fetched.get(tp, ()):
                    if record.value is None:
                        continue
                    try:
                        held, position = held_of(record.value, record.headers)
                    except (msgspec.MsgspecError, KeyError) as error:
                        log.error("%s/%d at %d is no case of ours: %s", self.topic, partition, record.offset, error)
                        continue
                    yield CaseRecord(held, position, record.offset)
        finally:
            await close(consumer)

    async def end(self, partition: int) -> int:
        """The high watermark of the partition, now. Raises as `read` does."""
        consumer = AIOKafkaConsumer(**self._options)
        try:
            async with asyncio.timeout(STALLED_S):
                await consumer.start()
                tp = TopicPartition(self.topic, partition)
                consumer.assign([tp])
                consumer.seek(tp, 0)
                while (end := consumer.highwater(tp)) is None:
                    await consumer.getmany(tp, timeout_ms=POLL_MS, max_records=1)
                return int(end)
        finally:
            await close(consumer)

    async def restore(self, partition: int, tell: Callable[[float], None]) -> tuple[CaseStore, Position, int]:
        """The partition's cases, the position they were emitted at, and the offset after the last of their records."""
        store, position, end = CaseStore(), Position(), 0
        async for record in self.read(partition, tell):
            store.restore(record.held)
            position, end = record.position, record.offset + 1
        return store, position, end
