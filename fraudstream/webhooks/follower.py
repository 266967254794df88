"""Reads the topics for one endpoint, in a consumer group of its own, so that no endpoint waits for another.

The position in the group is the first record that is not finished (`deliveries`). At its first start an endpoint begins
where the topics end, or at their beginning if its file says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from fraudstream.contracts import Alert, Case
from fraudstream.contracts.case import POSITION_KEY
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.webhooks.deliveries import Deliveries, Delivery, RecordPlace
from fraudstream.webhooks.endpoints import Endpoint
from fraudstream.webhooks.events import WebhookEvent, event_of_alert, events_of_case
from fraudstream.webhooks.observer import Observer

POLL_MS: Final = 200
RECORDS_MAX: Final = 200
COMMIT_S: Final = 1.0
RETRY_S: Final = 1.0

log = logging.getLogger(__name__)


class FollowerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of all followers. `group`: of the consumer groups, before the endpoint's name. `committed_only`: leave
    out records of open and aborted transactions."""

    brokers: Brokers
    group: str = "fraudstream-webhooks"
    cases_topic: str = "cases"
    alerts_topic: str = "alerts"
    committed_only: bool = True
    fetch_wait_ms: int = 500
    session_timeout_s: float = 10.0


class EndpointFollower(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Reads for `endpoint` into `deliveries`."""

    def __init__(
        self, settings: FollowerSettings, endpoint: Endpoint, deliveries: Deliveries, observer: Observer
    ) -> None:
        self._settings, self._endpoint, self._deliveries, self._observer = settings, endpoint, deliveries, observer
        self._decode_case = msgspec.json.Decoder(Case).decode
        self._decode_alert = msgspec.json.Decoder(Alert).decode
        self._committed: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set, or the endpoint is gone. A failure of the brokers is logged and waited out."""
        answered = True
        while not stopping.is_set() and not self._deliveries.gone.is_set():
            try:
                await self._follow(stopping)
            except (KafkaError, ConnectionError, TimeoutError) as error:
                if answered:
                    log.error("%s: the topics cannot be read: %s", self._endpoint.name, kafka_error_text(error))
                answered = False
                self._observer.on_brokers(self._endpoint.name, answer=False)
                await asyncio.sleep(RETRY_S)
            else:
                answered = True

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin at the committed position; without one, where the endpoint begins, which is then committed."""
        assert self._consumer is not None, "it is set before the consumer starts"
        fresh = [tp for tp in assigned if await self._consumer.committed(tp) is None]
        if not fresh:
            return
        ends = await (
            self._consumer.beginning_offsets(fresh)
            if self._endpoint.from_beginning
            else self._consumer.end_offsets(fresh)
        )
        for tp, offset in ends.items():
            self._consumer.seek(tp, offset)
        where = "beginning" if self._endpoint.from_beginning else "end"
        log.info("%s: no position is kept of %d partitions: begins at their %s", self._endpoint.name, len(fresh), where)
        await self._consumer.commit(ends)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Stop delivering: the next owner goes on from the committed positions."""
        await self._commit()
        await self._deliveries.stop()
        self._committed.clear()

    async def _follow(self, stopping: asyncio.Event) -> None:
        settings, kinds = self._settings, set(self._endpoint.events)
        topics = [settings.alerts_topic] if "alert" in kinds else []
        topics += [settings.cases_topic] if kinds - {"alert"} else []
        self._consumer = consumer = AIOKafkaConsumer(
            **settings.brokers.options(),
            group_id=f"{settings.group}-{self._endpoint.name}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # of records that retention has deleted: the next that there are
            isolation_level="read_committed" if settings.committed_only else "read_uncommitted",
            fetch_max_wait_ms=settings.fetch_wait_ms,
            session_timeout_ms=round(settings.session_timeout_s * 1000),
            heartbeat_interval_ms=round(settings.session_timeout_s * 1000 / 5),
        )
        consumer.subscribe(topics, listener=self)
        try:
            await consumer.start()
            committed_at_s = time.monotonic()
            while not stopping.is_set() and not self._deliveries.gone.is_set():
                self._hold_back(consumer)
                for tp, records in (await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)).items():
                    self._add(tp, records)
                if self._deliveries.failure is not None:
                    raise self._deliveries.failure
                if time.monotonic() - committed_at_s >= COMMIT_S:
                    await self._commit()
                    self._report(consumer)
                    committed_at_s = time.monotonic()
        finally:
            await self._commit()
            await self._deliveries.stop()
            self._deliveries.failure = None
            self._committed.clear()
            await close(consumer)

    def _hold_back(self, consumer: AIOKafkaConsumer) -> None:
        """Fetch nothing while enough is pending. The consumer stays in its group."""
        assigned, paused = consumer.assignment(), consumer.paused()
        if self._deliveries.has_room:
            consumer.resume(*paused)
        else:
            consumer.pause(*(assigned - paused))

    def _add(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            place = RecordPlace(tp, record.offset, record.timestamp)
            wanted = [event for event in self._events(record) if event.kind in self._endpoint.events]
            self._deliveries.add(
                place, [Delivery(each, each.body(identifiers=self._endpoint.identifiers), place) for each in wanted]
            )

    def _events(self, record: ConsumerRecord[bytes, bytes]) -> Sequence[WebhookEvent]:
        if record.value is None or (record.topic == self._settings.cases_topic and record.key == POSITION_KEY):
            return ()  # a case has left, or the position that follows it
        try:
            if record.topic == self._settings.alerts_topic:
                return (event_of_alert(self._decode_alert(record.value)),)
            return tuple(events_of_case(self._decode_case(record.value)))
        except UNDECODABLE as error:
            place = f"{record.topic}-{record.partition}: offset {record.offset}"
            log.error("%s: %s cannot be decoded and is left out: %s", self._endpoint.name, place, error)
            return ()

    async def _commit(self) -> None:
        """Commit the positions that have changed. A failure is logged: events are then sent again."""
        found = {tp: at for tp, at in self._deliveries.positions().items() if self._committed.get(tp) != at}
        if not found or self._consumer is None:
            return
        try:
            await self._consumer.commit(found)
            self._committed |= found
        except (KafkaError, TimeoutError) as error:
            log.warning("%s: positions not committed: %s", self._endpoint.name, kafka_error_text(error))

    def _report(self, consumer: AIOKafkaConsumer) -> None:
        name, positions = self._endpoint.name, self._deliveries.positions()
        ends = {tp: consumer.highwater(tp) for tp in consumer.assignment()}
        behind = (end - positions.get(tp, end) for tp, end in ends.items() if end is not None)
        self._observer.on_lag(name, records=sum(max(each, 0) for each in behind))
        self._observer.on_brokers(name, answer=True)
        self._deliveries.report()
