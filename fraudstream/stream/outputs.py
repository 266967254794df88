"""What leaves the worker: keyed records into as few record batches as they fit, acknowledged later.

An account's records stay together: where the input is keyed by account and the output has as many partitions, they go
to the partition of the same number, else to the one that Kafka's default partitioner gives the key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from fraudstream.stream.placement import partitions_for

Headers = list[tuple[str, bytes]]  # a list: the builder of batches takes nothing else
OutputRecord = tuple[bytes | None, bytes, Headers]  # key, value, headers
Acknowledgement = asyncio.Future[None]


class Output:
    """One topic. `aligned`: what answers a partition of the input goes to the partition of the same number."""

    def __init__(self, topic: str, partitions: int, aligned: bool) -> None:
        self.partitions, self.aligned = partitions, aligned
        self._senders = [_PartitionSender(topic, number) for number in range(partitions)]

    def send(
        self, producer: AIOKafkaProducer, partition: int | None, records: Iterable[OutputRecord], timestamp_ms: int
    ) -> set[Acknowledgement]:
        """Put records on their way, in order; returns what to await for their acknowledgement.

        `partition`: the input's, that they answer; None if they answer none. Must be called in the event loop.
        """
        if self.aligned and partition is not None:
            return self._senders[partition].put(producer, records, timestamp_ms)
        held = list(records)
        return self.spread(producer, [record[0] for record in held], lambda at: (held[i] for i in at), timestamp_ms)

    def spread(
        self,
        producer: AIOKafkaProducer,
        keys: Sequence[bytes | None],
        records: Callable[[Sequence[int]], Iterable[OutputRecord]],
        timestamp_ms: int,
    ) -> set[Acknowledgement]:
        """As `send`, each record where its key belongs. `records`: those at some positions of `keys`, made when they
        are asked for."""
        number_of = partitions_for(keys, len(self._senders))
        order = np.argsort(number_of, kind="stable")
        numbers, begins = np.unique(number_of[order], return_index=True)
        waits: set[Acknowledgement] = set()
        for number, at in zip(numbers.tolist(), np.split(order, begins[1:]), strict=True):
            waits |= self._senders[number].put(producer, records(at.tolist()), timestamp_ms)
        return waits


class _PartitionSender:
    """The way into one partition. The producer has one batch at a time; what comes meanwhile joins the next one, so
    that judging does not wait for the broker.

    Where a batch fails nothing follows it: a reader that drops what is not higher would never take what is sent again.
    """

    def __init__(self, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition
        self._waiting: deque[tuple[BatchBuilder, Acknowledgement]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    def put(
        self, producer: AIOKafkaProducer, records: Iterable[OutputRecord], timestamp_ms: int
    ) -> set[Acknowledgement]:
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
            if self._failure is None:
                try:
                    await (await producer.send_batch(batch, self._topic, partition=self._partition))
                except Exception as error:
                    self._failure = error
            if self._failure is not None:
                acknowledgement.set_exception(self._failure)
            else:
                acknowledgement.set_result(None)
