"""Follows the topics of payments and decisions, and writes what they hold into the store.

It has no consumer group: the positions are in the store's manifest, beside the rows. After a failure of the brokers it
goes on where it was; after a failure of the disk it ends, and the next start reads the same records again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from fraudstream.contracts.error_text import system_error_text
from fraudstream.contracts.record_signature import NOT_REQUIRED, RecordSignatures
from fraudstream.history.erasure import REQUESTS, erase_requested
from fraudstream.history.errors import HistoryError
from fraudstream.history.manifest import TableSize, TopicPosition
from fraudstream.history.rows import decision_rows, log_rows
from fraudstream.history.store import HistoryStore
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.cluster_client import cluster_client
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader

POLL_MS: Final = 200
RECORDS_MAX: Final = 10_000
RETRY_S: Final = 1.0
FETCH_BYTES_MAX: Final = 4 << 20
_CLIENT: Final = "fraudstream-history"

log = logging.getLogger(__name__)


class FollowerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a follower.

    `committed_only`: leave out records of open and aborted transactions. `too_far_ahead_ms`, `signatures`: as of the
    workers. Rows become part of the store every `commit_s` seconds, or once there are `commit_rows`.
    """

    brokers: Brokers
    payments_topic: str = "payments"
    decisions_topic: str = "decisions"
    committed_only: bool = True
    fetch_wait_ms: int = 500
    too_far_ahead_ms: int = 86_400_000
    signatures: RecordSignatures = NOT_REQUIRED
    commit_s: float = 10.0
    commit_rows: int = 250_000


class Observer(Protocol):
    """What a follower reports."""

    def on_records(self, topic: str, *, rows: Mapping[str, int], skipped: Mapping[str, int]) -> None:
        """Records were read: rows by table, and records that were left out, by reason."""

    def on_lag(self, topic: str, partition: int, *, lag: int) -> None:
        """How many records of a partition are not read yet."""

    def on_missing(self, topic: str, *, records: int) -> None:
        """Records were deleted from the topic before they were read."""

    def on_commit(self, sizes: Mapping[str, TableSize], *, seconds: float, expired: int) -> None:
        """The store has changed, in so many seconds. `expired`: rows that were too old to be kept."""

    def on_brokers(self, *, answer: bool) -> None:
        """Whether the brokers answer."""


class HistoryFollower:
    """Writes into `store`, which is open. `now_ms`: the clock, for the records of erasures."""

    def __init__(
        self, settings: FollowerSettings, store: HistoryStore, observer: Observer, now_ms: Callable[[], int]
    ) -> None:
        self._settings, self._store, self._observer, self._now_ms = settings, store, observer, now_ms
        self._topics = (settings.payments_topic, settings.decisions_topic)
        self._identities: dict[str, str] = {}
        self._offsets = {
            TopicPartition(topic, partition): offset
            for topic, position in store.manifest.topics.items()
            for partition, offset in position.offsets.items()
        }
        self._committed = dict(self._offsets)
        self._committed_at_s = time.monotonic()

    async def run(self, stopping: asyncio.Event, *, once: bool = False) -> None:
        """Until `stopping` is set; with `once`, until all is read that the topics hold at its start.

        What was read is in the store when it returns. Raises `HistoryError`; with `once` also what aiokafka raises.
        """
        answered = True
        while not stopping.is_set():
            try:
                await self._follow(stopping, once)
                break
            except (KafkaError, ConnectionError, TimeoutError) as error:
                if once:
                    raise
                if answered:
                    log.error("the topics cannot be read: %s", kafka_error_text(error))
                answered = False
                self._observer.on_brokers(answer=False)
                await asyncio.sleep(RETRY_S)
        await self._commit()

    async def _follow(self, stopping: asyncio.Event, once: bool) -> None:
        ends = await self._ends() if once else {}
        settings = self._settings
        consumer = AIOKafkaConsumer(
            **settings.brokers.options(),
            client_id=_CLIENT,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=settings.fetch_wait_ms,
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
            isolation_level="read_committed" if settings.committed_only else "read_uncommitted",
        )
        try:
            await consumer.start()
            await self._assign(consumer)
            self._observer.on_brokers(answer=True)
            while not stopping.is_set() and not (once and await self._has_read(consumer, ends)):
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                for tp, records in fetched.items():
                    self._add(tp, records)
                    self._observer.on_lag(tp.topic, tp.partition, lag=self._lag(consumer, tp))
                if self._is_due():
                    await self._commit()
        finally:
            await close(consumer)

    async def _ends(self) -> dict[TopicPartition, int]:
        """The ends of all partitions, now. Raises `HistoryError` for a missing topic."""
        async with TopicReader(self._settings.brokers, committed_only=self._settings.committed_only) as reader:
            ends: dict[TopicPartition, int] = {}
            for topic in self._topics:
                try:
                    numbers = await reader.partitions(topic)
                except NoTopicError:
                    raise self._no_topic(topic) from None
                extents = await reader.extents(topic, numbers)
                ends |= {TopicPartition(topic, number): extents[number].end for number in numbers}
            return ends

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Begin where the store ends. Raises `HistoryError` if a topic is not the one that was read before."""
        partitions = []
        async with cluster_client(self._settings.brokers, _CLIENT) as client:
            for topic in self._topics:
                numbers = await partitions_of(self._settings.brokers, topic)
                if not numbers:
                    raise self._no_topic(topic)
                self._check_identity(topic, await client.identity(topic))
                partitions += [TopicPartition(topic, number) for number in numbers]
        consumer.assign(partitions)
        begins = await consumer.beginning_offsets(partitions)
        for tp in partitions:
            known = self._offsets.get(tp)
            if known is not None and known < begins[tp]:
                log.warning("%s-%d: %d records were deleted unread", tp.topic, tp.partition, begins[tp] - known)
                self._observer.on_missing(tp.topic, records=begins[tp] - known)
            self._offsets[tp] = max(known or 0, begins[tp])
            consumer.seek(tp, self._offsets[tp])

    def _no_topic(self, topic: str) -> HistoryError:
        return HistoryError(
            f"{self._settings.brokers} has no topic '{topic}'. Create it with `fraudstream topics apply`."
        )

    def _check_identity(self, topic: str, identity: str) -> None:
        known = self._store.manifest.topics.get(topic)
        if known is not None and known.identity != identity:
            raise HistoryError(
                f"the topic '{topic}' was made again since the history in {self._store.root} was written: its "
                "positions are of another log. Keep the old history under another name, and begin a new one."
            )
        self._identities[topic] = identity

    async def _has_read(self, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether everything up to `ends` is read."""
        return all([await consumer.position(tp) >= end for tp, end in ends.items()])

    def _add(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        skipped: Counter[str]
        if tp.topic == self._settings.payments_topic:
            payments, labels, skipped = log_rows(records, self._settings.too_far_ahead_ms, self._settings.signatures)
            added: dict[Any, Any] = {"payments": payments, "labels": labels}
        else:
            decisions, skipped = decision_rows(records)
            added = {"decisions": decisions}
        for table, rows in added.items():
            self._store.add(table, rows)
        self._offsets[tp] = records[-1].offset + 1
        rows_added = {table: len(rows) for table, rows in added.items()}
        self._observer.on_records(tp.topic, rows=rows_added, skipped=skipped)

    def _lag(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
        return max((consumer.highwater(tp) or 0) - self._offsets[tp], 0)

    def _is_due(self) -> bool:
        """Whether to commit now: there is something new, something too old, or a request to erase."""
        if self._store.waiting_rows >= self._settings.commit_rows:
            return True
        if time.monotonic() - self._committed_at_s < self._settings.commit_s:
            return False
        is_asked = any((self._store.root / REQUESTS).glob("*.json"))
        return is_asked or self._offsets != self._committed or self._store.has_expired

    async def _commit(self) -> None:
        """Make all that was read part of the store, in a thread, and tidy the store up."""
        began_s, offsets = time.monotonic(), dict(self._offsets)
        try:
            expired = await asyncio.to_thread(self._write, self._positions(offsets))
        except OSError as error:
            raise HistoryError(
                f"the history in {self._store.root} cannot be written: {system_error_text(error)}."
            ) from error
        self._committed, self._committed_at_s = offsets, time.monotonic()
        self._observer.on_commit(self._store.manifest.sizes(), seconds=self._committed_at_s - began_s, expired=expired)

    def _write(self, positions: Mapping[str, TopicPosition]) -> int:
        expired = self._store.commit(positions)
        for erasure in erase_requested(self._store, self._now_ms()):
            log.info("an account is erased: %s", ", ".join(f"{rows} {table}" for table, rows in erasure.rows.items()))
        while self._store.merge():
            pass
        return expired

    def _positions(self, offsets: Mapping[TopicPartition, int]) -> dict[str, TopicPosition]:
        return {
            topic: TopicPosition(
                self._identities[topic], {tp.partition: offset for tp, offset in offsets.items() if tp.topic == topic}
            )
            for topic in self._identities
        }
