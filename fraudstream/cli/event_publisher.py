"""Publishes payments and labels to the payments topic: in order, in whole record batches, keyed by account.

An account goes to the partition that Kafka's own default partitioner gives it, as with any other client. aiokafka has
one request under way for a partition, so retries keep the order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.partitioner import DefaultPartitioner

from fraudstream.cli.failure import Failure
from fraudstream.contracts import Label, Payment
from fraudstream.contracts.headers import LABEL_HEADER
from fraudstream.kafka import Brokers
from fraudstream.kafka.connection_diagnosis import unreachable
from fraudstream.kafka.permissions import denial

BATCH_BYTES_MAX = 512 * 1024
REQUESTS_UNDER_WAY_MAX = 64
PARTITIONS_REMEMBERED_MAX = 1_000_000
_NO_HEADERS: list[tuple[str, bytes]] = []


class EventPublisher:
    """`async with EventPublisher(brokers, topic) as publisher: await publisher.publish(events)`. Raises `Failure`."""

    def __init__(self, brokers: Brokers, topic: str) -> None:
        self._brokers = brokers
        self._topic = topic
        self._producer: AIOKafkaProducer | None = None
        self._choose = DefaultPartitioner()
        self._partition_of: dict[str, int] = {}
        self._partitions: list[int] = []
        self._under_way: list[Awaitable[Any]] = []
        self._encode = msgspec.json.Encoder().encode

    async def __aenter__(self) -> EventPublisher:
        self._producer = AIOKafkaProducer(
            **self._brokers.options(), acks="all", max_batch_size=BATCH_BYTES_MAX, compression_type="lz4"
        )
        try:
            await self._producer.start()
            self._partitions = sorted(await self._producer.partitions_for(self._topic))
        except KafkaConnectionError as error:
            await self._producer.stop()
            raise Failure(await unreachable(self._brokers)) from error
        except KafkaError as error:
            await self._producer.stop()
            if (denied := denial(error, self._brokers, "WRITE")) is not None:
                raise Failure(denied) from error
            raise Failure(f"topic {self._topic}: {error}. Create it: fraudstream topics apply.") from error
        return self

    async def publish(self, events: Sequence[Payment | Label]) -> None:
        """Hand the events to the broker, in order; waits only where too much is under way."""
        by_partition: dict[int, list[Payment | Label]] = {}
        for event in events:
            by_partition.setdefault(self._partition(event.account_id), []).append(event)
        for partition, part in by_partition.items():
            await self._publish_to(partition, part)
        if len(self._under_way) > REQUESTS_UNDER_WAY_MAX:
            await self.flush()

    async def flush(self) -> None:
        """Wait until the broker has everything."""
        waiting, self._under_way = self._under_way, []
        try:
            await asyncio.gather(*waiting)
        except KafkaError as error:
            denied = denial(error, self._brokers, "WRITE")
            raise Failure(denied or f"topic {self._topic}: the broker refused a batch: {error}.") from error

    async def _publish_to(self, partition: int, events: Sequence[Payment | Label]) -> None:
        assert self._producer is not None, "publish inside `async with`"
        batch = self._producer.create_batch()
        for event in events:
            key, value = event.account_id.encode(), self._encode(event)
            headers = [LABEL_HEADER] if type(event) is Label else _NO_HEADERS
            if (
                batch.append(timestamp=None, key=key, value=value, headers=headers) is None
            ):  # full: it says so only thus
                self._under_way.append(await self._producer.send_batch(batch, self._topic, partition=partition))
                batch = self._producer.create_batch()
                if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                    raise Failure(f"event {event.event_id} has {len(value):,} bytes, more than a batch may have.")
        self._under_way.append(await self._producer.send_batch(batch, self._topic, partition=partition))

    def _partition(self, account_id: str) -> int:
        found = self._partition_of.get(account_id)
        if found is None:
            if len(self._partition_of) >= PARTITIONS_REMEMBERED_MAX:
                self._partition_of.clear()
            found = self._choose(account_id.encode(), self._partitions, self._partitions)
            self._partition_of[account_id] = found
        return found

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._producer is not None
        try:
            if kind is None:
                await self.flush()
        finally:
            await self._producer.stop()
