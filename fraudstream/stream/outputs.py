"""What leaves the worker: keyed records into as few record batches as they fit, acknowledged later.

An account's records stay together: where the output has as many partitions as the input, they go to the partition of
the same number, else to the one that Kafka's default partitioner gives the key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

Headers = list[tuple[str, bytes]]  # a list: the builder of batches takes nothing else
Outgoing = tuple[bytes | None, bytes, Headers]  # key, value, headers
Acknowledgement = asyncio.Future[None]


class Output:
    """One topic. `aligned`: it has as many partitions as the input topic."""

    def __init__(self, topic: str, partitions: int, input_partitions: int) -> None:
        self.aligned = partitions == input_partitions
        self._lanes = [_Lane(topic, number) for number in range(partitions)]
        self._numbers = list(range(partitions))
        self._choose = DefaultPartitioner()

    def send(
        self, producer: AIOKafkaProducer, partition: int | None, records: Iterable[Outgoing], timestamp_ms: int
    ) -> set[Acknowledgement]:
        """Put records on their way, in order; returns what to await for their acknowledgement.

        `partition`: the input's, that they answer; None if they answer none. Must be called in the event loop.
        """
        if self.aligned and partition is not None:
            return self._lanes[partition].put(producer, records, timestamp_ms)
        placed = [(self._choose(record[0], self._numbers, self._numbers), record) for record in records]
        placed.sort(key=itemgetter(0))
        waits: set[Acknowledgement] = set()
        for number, group in groupby(placed, key=itemgetter(0)):
            waits |= self._lanes[number].put(producer, (record for _, record in group), timestamp_ms)
        return waits


class _Lane:
    """The way into one partition. The producer takes one batch at a time; what comes meanwhile joins the next one, so
    that judging does not wait for the broker."""

    def __init__(self, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition
        self._waiting: deque[tuple[BatchBuilder, Acknowledgement]] = deque()
        self._sending: asyncio.Task[None] | None = None

    def put(self, producer: AIOKafkaProducer, records: Iterable[Outgoing], timestamp_ms: int) -> set[Acknowledgement]:
        waits: set[Acknowledgement] = set()
        batch, acknowledgement = self._waiting[-1] if self._waiting else self._begin(producer)
        for key, value, headers in records:
            if batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers) is None:  # full
                batch, acknowledgement = self._begin(producer)
                first = batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers)
                assert first is not None, f"{self._topic}: an empty batch refused a record of {len(value)} bytes"
            waits.add(acknowledgement)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send(producer))
        return waits

    def _begin(self, producer: AIOKafkaProducer) -> tuple[BatchBuilder, Acknowledgement]:
        begun = (producer.create_batch(), asyncio.get_running_loop().create_future())
        self._waiting.append(begun)
        return begun

    async def _send(self, producer: AIOKafkaProducer) -> None:
        while self._waiting:
            batch, acknowledgement = self._waiting.popleft()
            try:
                sent = await producer.send_batch(batch, self._topic, partition=self._partition)
            except Exception as error:
                acknowledgement.set_exception(error)
            else:
                sent.add_done_callback(lambda sent, waiting=acknowledgement: _pass_on(sent, waiting))


def _pass_on(sent: asyncio.Future[object], acknowledgement: Acknowledgement) -> None:
    if sent.cancelled():
        acknowledgement.cancel()
    elif (error := sent.exception()) is not None:
        acknowledgement.set_exception(error)
    else:
        acknowledgement.set_result(None)
