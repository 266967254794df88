"""Publishes payments and labels to the payments topic: in order, in whole record batches, keyed by account.

An account goes to the partition that the declared partitioner gives it, as with all publishers. aiokafka has one
request in flight for a partition, so retries keep the order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Any, Final, Literal

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from fraudstream.contracts import Label, Payment
from fraudstream.contracts.headers import LABEL_HEADER
from fraudstream.contracts.record_signature import SigningSecrets
from fraudstream.engine.partitioners import Partitioner
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.compression import DEFAULT_CODEC, compression_type
from fraudstream.operations.cluster_access import cluster_error
from fraudstream.operations.errors import MissingTopicError, OperationError
from fraudstream.operations.record_partitioner import record_partitioner

BATCH_BYTES_MAX: Final = 512 * 1024
REQUESTS_IN_FLIGHT_MAX: Final = 64
ACCOUNTS_CACHED_MAX: Final = 1_000_000
_NO_HEADERS: list[tuple[str, bytes]] = []


class EventTooLargeError(OperationError):
    """The event `event_id` has `value_bytes` bytes, more than a record batch may have."""

    def __init__(self, event_id: str, value_bytes: int) -> None:
        super().__init__(f"event {event_id} has {value_bytes:,} bytes, more than a batch may have.")
        self.event_id = event_id
        self.value_bytes = value_bytes


class EventPublisher:
    """`async with EventPublisher(brokers, topic) as publisher: await publisher.publish(events)`.

    Entering it raises `ClusterError` or `MissingTopicError`; leaving it waits until the broker has everything.
    """

    def __init__(
        self,
        brokers: Brokers,
        topic: str,
        partitioner: Partitioner | Literal["any"] = "murmur2",
        label_secrets: SigningSecrets | None = None,
    ) -> None:
        """`partitioner`: declared for all publishers. `label_secrets`: sign labels; None: they are not signed."""
        self._label_secrets = label_secrets
        self._brokers = brokers
        self._topic = topic
        self._producer: AIOKafkaProducer | None = None
        self._choose = record_partitioner(partitioner)
        self._partition_of: dict[str, int] = {}
        self._partitions: list[int] = []
        self._in_flight: list[Awaitable[Any]] = []
        self._encode = msgspec.json.Encoder().encode

    async def __aenter__(self) -> EventPublisher:
        """Connect, and request the partitions of the topic. Raises `ClusterError`, `MissingTopicError`."""
        self._producer = AIOKafkaProducer(
            **self._brokers.options(),
            acks="all",
            max_batch_size=BATCH_BYTES_MAX,
            compression_type=compression_type(DEFAULT_CODEC),
        )
        try:
            await self._producer.start()
            self._partitions = sorted(await self._producer.partitions_for(self._topic))
        except BaseException as error:
            await close(self._producer)
            if isinstance(error, UnknownTopicOrPartitionError):
                raise MissingTopicError(self._brokers.servers, self._topic) from error
            if isinstance(error, (KafkaError, TimeoutError)):
                raise await cluster_error(self._brokers, error, "WRITE") from error
            raise
        return self

    async def publish(self, events: Sequence[Payment | Label]) -> None:
        """Give the events to the producer, in order; waits only where too many batches are in flight.

        Raises `ClusterError`, `EventTooLargeError`.
        """
        by_partition: dict[int, list[Payment | Label]] = {}
        for event in events:
            by_partition.setdefault(self._partition(event.account_id), []).append(event)
        for partition, part in by_partition.items():
            await self._publish_to(partition, part)
        if len(self._in_flight) > REQUESTS_IN_FLIGHT_MAX:
            await self.flush()

    async def flush(self) -> None:
        """Wait until the broker has everything. Raises `ClusterError`."""
        waiting, self._in_flight = self._in_flight, []
        try:
            await asyncio.gather(*waiting)
        except (KafkaError, TimeoutError) as error:
            raise await cluster_error(self._brokers, error, "WRITE") from error

    async def _publish_to(self, partition: int, events: Sequence[Payment | Label]) -> None:
        assert self._producer is not None, "publish inside `async with`"
        batch = self._producer.create_batch()
        for event in events:
            key, value = event.account_id.encode(), self._encode(event)
            headers = self._label_headers(value) if type(event) is Label else _NO_HEADERS
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is not None:
                continue
            self._in_flight.append(await self._producer.send_batch(batch, self._topic, partition=partition))
            batch = self._producer.create_batch()  # that batch was full: `append` returned None
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                raise EventTooLargeError(event.event_id, len(value))
        self._in_flight.append(await self._producer.send_batch(batch, self._topic, partition=partition))

    def _label_headers(self, value: bytes) -> list[tuple[str, bytes]]:
        secrets = self._label_secrets
        return [LABEL_HEADER] if secrets is None else [LABEL_HEADER, secrets.header(value)]

    def _partition(self, account_id: str) -> int:
        found = self._partition_of.get(account_id)
        if found is None:
            if len(self._partition_of) >= ACCOUNTS_CACHED_MAX:
                self._partition_of.clear()
            found = self._choose(account_id.encode(), self._partitions, self._partitions)
            self._partition_of[account_id] = found
        return found

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until the broker has everything, unless an error ends the block. Raises `ClusterError`."""
        assert self._producer is not None
        try:
            if kind is None:
                await self.flush()
        finally:
            await close(self._producer)
