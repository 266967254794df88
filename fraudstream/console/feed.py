"""Follows the topic `cases` without end, and keeps the index of cases.

The topic is the source of truth, and one reader both fills the index at the start, from where the index has read it to,
and keeps it up to date. Once in
`CHECK_INTERVAL_S` the brokers are asked for the ends of the partitions: as long as they do not answer, the state is
"lost", and pages say that they may be out of date.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from fraudstream.console.index import CaseIndex
from fraudstream.console.live import LiveChanges
from fraudstream.console.search.disk_index import IndexWriteError
from fraudstream.contracts import Case
from fraudstream.contracts.case import POSITION_KEY
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.topic_metadata import topic_identity

POLL_MS: Final = 100
RECORDS_MAX: Final = 500  # at a time, so that pages are served while the topic is read
CHECK_INTERVAL_S: Final = 2.0
ANSWER_S_MAX: Final = 3.0
RETRY_S: Final = 1.0

log = logging.getLogger(__name__)


class CaseFeed:
    """Reads the partitions of `topic` into `index`, and tells `live` about every change.

    `committed_only`: leave out records of open and aborted transactions. `fetch_wait_ms`: longest wait of a fetch.
    """

    def __init__(
        self,
        brokers: Brokers,
        topic: str,
        index: CaseIndex,
        live: LiveChanges,
        *,
        committed_only: bool,
        fetch_wait_ms: int,
    ) -> None:
        self._brokers, self._topic, self._index, self._live = brokers, topic, index, live
        self._committed_only, self._fetch_wait_ms = committed_only, fetch_wait_ms
        self._read_count = 0
        self._decode = msgspec.json.Decoder(Case).decode

    async def run(self) -> None:
        """Until cancelled. Errors of Kafka are logged, and reading resumes where it was."""
        while True:
            try:
                await self._follow()
            except IndexWriteError as error:
                log.error("the index of cases cannot be written: %s", error)
                await asyncio.sleep(RETRY_S)
                await self._index.rewind()
            except (KafkaError, OSError) as error:  # TimeoutError is an OSError
                if self._live.state != "lost":
                    log.error("the topic '%s' cannot be read: %s", self._topic, kafka_error_text(error))
                self._live.on_state("lost")
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._brokers.options(),
            client_id="fraudstream-console",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._fetch_wait_ms,
            isolation_level="read_committed" if self._committed_only else "read_uncommitted",
        )
        try:
            await consumer.start()
            partitions = await self._assign(consumer)
            started_s, self._read_count = time.monotonic(), 0
            checked_at_s = -CHECK_INTERVAL_S
            while True:
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                for tp, records in fetched.items():
                    self._put(tp, records)
                await self._index.make_room()
                if time.monotonic() - checked_at_s >= CHECK_INTERVAL_S:
                    await self._check(consumer, partitions, started_s)
                    checked_at_s = time.monotonic()
        finally:
            await close(consumer)

    async def _assign(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        numbers = await partitions_of(self._brokers, self._topic)
        if not numbers:
            raise OSError(f"{self._brokers} has no topic '{self._topic}'")
        partitions = [TopicPartition(self._topic, number) for number in numbers]
        consumer.assign(partitions)
        await self._index.follow(await topic_identity(consumer._client, self._topic))
        ends = await consumer.end_offsets(partitions)
        if any(offset > ends.get(TopicPartition(self._topic, number), 0) for number, offset in self._offsets()):
            log.warning("the topic '%s' has lost records: the index of cases is built anew", self._topic)
            await self._index.clear()
            await self._index.follow(await topic_identity(consumer._client, self._topic))
        for tp in partitions:
            consumer.seek(tp, self._index.offsets.get(tp.partition, 0))
        return partitions

    def _offsets(self) -> list[tuple[int, int]]:
        return list(self._index.offsets.items())

    async def _check(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], started_s: float) -> None:
        """Raises `TimeoutError` if the brokers do not answer. Once all that they had at the start is read, it is
        live."""
        asking = asyncio.ensure_future(consumer.end_offsets(partitions))
        await asyncio.wait({asking}, timeout=ANSWER_S_MAX)  # a timeout would wait for aiokafka to be cancelled
        if not asking.done():
            asking.cancel()
            raise TimeoutError("no broker answers")
        ends = asking.result()
        if self._live.state != "live" and all([await consumer.position(tp) >= ends[tp] for tp in partitions]):
            await self._index.on_live()
            took_s = time.monotonic() - started_s
            log.info("the queue is up to date: %d records read in %.1f s", self._read_count, took_s)
            self._live.on_state("live")

    def _put(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            if (case_id := self._apply(tp, record)) is not None:
                self._live.on_case(case_id)
        self._index.on_read(tp.partition, records[-1].offset + 1)
        self._read_count += len(records)

    def _apply(self, tp: TopicPartition, record: ConsumerRecord[bytes, bytes]) -> str | None:
        """The id of the case that `record` has changed; None if it has changed nothing."""
        if record.value is None:
            case_id = (record.key or b"").decode(errors="replace")
            return case_id if self._index.remove(case_id) else None
        if record.key == POSITION_KEY:
            return None
        try:
            case = self._decode(record.value)
        except UNDECODABLE as error:
            log.error("%s-%d: offset %d is not a case: %s", self._topic, tp.partition, record.offset, error)
            return None
        return case.case_id if self._index.put(case, tp.partition) else None
