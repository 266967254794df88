"""Follows the topic `alerts`, so that the alerts of new cases are in memory before anybody opens one.

Older alerts are read when a case is opened: see `AlertSource`. So a failure here costs time, and no alert.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from fraudstream.console.alert_source import KEPT_MAX, AlertSource
from fraudstream.contracts import Alert
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.partitions import partitions_of

POLL_MS: Final = 500
RECORDS_MAX: Final = 200  # at a time, so that pages are served meanwhile
RETRY_S: Final = 5.0

log = logging.getLogger(__name__)


class AlertFeed:
    """Gives `source` the newest `KEPT_MAX` alerts of `topic`, then each new one.

    `committed_only`: leave out records of open and aborted transactions. `fetch_wait_ms`: longest wait of a fetch.
    """

    def __init__(
        self, brokers: Brokers, topic: str, source: AlertSource, *, committed_only: bool, fetch_wait_ms: int
    ) -> None:
        self._brokers, self._topic, self._source = brokers, topic, source
        self._committed_only, self._fetch_wait_ms = committed_only, fetch_wait_ms
        self._decode = msgspec.json.Decoder(Alert).decode
        self._positions: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        """Until cancelled. Errors of Kafka are logged, and reading resumes where it was."""
        answered = True
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError) as error:  # TimeoutError is an OSError
                if answered:
                    log.warning("the topic '%s' cannot be followed: %s", self._topic, kafka_error_text(error))
                answered = False
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._brokers.options(),
            client_id="fraudstream-console-alerts",
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=self._fetch_wait_ms,
            isolation_level="read_committed" if self._committed_only else "read_uncommitted",
        )
        try:
            await consumer.start()
            await self._assign(consumer)
            while True:
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                for tp, records in fetched.items():
                    self._source.keep([each for r in records if (each := self._decoded(r.value)) is not None])
                    self._positions[tp] = records[-1].offset + 1
        finally:
            await close(consumer)

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        numbers = await partitions_of(self._brokers, self._topic)
        if not numbers:
            raise OSError(f"{self._brokers} has no topic '{self._topic}'")
        partitions = [TopicPartition(self._topic, number) for number in numbers]
        consumer.assign(partitions)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        newest = KEPT_MAX // len(partitions)
        for tp in partitions:
            begin = self._positions.get(tp, ends[tp] - newest)
            consumer.seek(tp, min(max(begin, begins[tp]), ends[tp]))

    def _decoded(self, value: bytes | None) -> Alert | None:
        try:
            return self._decode(value or b"")
        except UNDECODABLE:
            return None  # who opens its case reads it again, and is told
