"""What leaves the worker: keyed records into as few record batches as they fit, acknowledged later.

An account's records stay together: where the output has as many partitions as the input, they go to the partition of
the same number, else to the one that Kafka's default partitioner gives the key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

SOURCE_HEADER = "source"  # "partition:offset" of the record that this one answers: readers drop what is not higher
Headers = list[tuple[str, bytes]]  # a list: the builder of batches takes nothing else
Outgoing = tuple[bytes | None, bytes, Headers]  # key, value, headers


def source_header(partition: int, offset: int) -> tuple[str, bytes]:
    return (SOURCE_HEADER, b"%d:%d" % (partition, offset))


class Output:
    """One topic. `partitions`: how many it has; `aligned`: as many as the input topic."""

    def __init__(self, topic: str, partitions: int, input_partitions: int) -> None:
        self.topic = topic
        self.partitions = list(range(partitions))
        self.aligned = partitions == input_partitions
        self._choose = DefaultPartitioner()

    async def send(
        self, producer: AIOKafkaProducer, partition: int | None, records: Iterable[Outgoing], timestamp_ms: int
    ) -> list[Awaitable[Any]]:
        """Hand records to the producer, in order; returns what to await for their acknowledgement.

        `partition`: the input's, that they answer; None if they answer none.
        """
        if self.aligned and partition is not None:
            return await self._send_to(producer, partition, records, timestamp_ms)
        placed = [(self._choose(record[0], self.partitions, self.partitions), record) for record in records]
        placed.sort(key=itemgetter(0))
        sent: list[Awaitable[Any]] = []
        for number, group in groupby(placed, key=itemgetter(0)):
            sent += await self._send_to(producer, number, (record for _, record in group), timestamp_ms)
        return sent

    async def _send_to(
        self, producer: AIOKafkaProducer, partition: int, records: Iterable[Outgoing], timestamp_ms: int
    ) -> list[Awaitable[Any]]:
        sent: list[Awaitable[Any]] = []
        batch = producer.create_batch()
        append = batch.append
        for key, value, headers in records:
            if (
                append(timestamp=timestamp_ms, key=key, value=value, headers=headers) is None
            ):  # full, and says so only thus
                sent.append(await producer.send_batch(batch, self.topic, partition=partition))
                batch = producer.create_batch()
                append = batch.append
                first = append(timestamp=timestamp_ms, key=key, value=value, headers=headers)
                assert first is not None, f"{self.topic}: an empty batch refused a record of {len(value)} bytes"
        if batch.record_count():
            sent.append(await producer.send_batch(batch, self.topic, partition=partition))
        return sent
