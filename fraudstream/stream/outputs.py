"""The topics that a stage writes: keyed records packed into as few record batches as possible, acknowledged later.

An account's records stay in order: where the input is keyed by account and the output has as many partitions, they go
to the partition of the same number, else to the one that Kafka's default partitioner gives the key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np

from fraudstream.engine.partitioners import Partitioner, partitions_for
from fraudstream.stream.ports import OutgoingBatch, RecordSender

if TYPE_CHECKING:
    from fraudstream.stream.settings import StreamSettings

Headers = list[tuple[str, bytes]]  # a list: aiokafka's batch builder accepts nothing else
OutputRecord = tuple[bytes | None, bytes, Headers]  # key, value, headers
Acknowledgement = asyncio.Future[None]
BatchT = TypeVar("BatchT", bound=OutgoingBatch)


class Output(Generic[BatchT]):
    """One topic that a stage writes. `partitions`: how many it has."""

    def __init__(
        self,
        topic: str,
        partitions: int,
        aligned: bool,
        sender: RecordSender[BatchT],
        partitioner: Partitioner = "murmur2",
    ) -> None:
        """`aligned`: records that answer a partition of the input go to the partition of the same number.
        `partitioner`: of the records that do not."""
        self.partitions, self.aligned, self._partitioner = partitions, aligned, partitioner
        self._senders = [_PartitionSender(topic, number, sender) for number in range(partitions)]

    def send(self, partition: int | None, records: Iterable[OutputRecord], timestamp_ms: int) -> set[Acknowledgement]:
        """Start to send records, in order; returns the futures that end with their acknowledgement.

        `partition`: that of the input which they answer, None if they answer none. `timestamp_ms`: of all records, ms
        since the epoch. Must be called in the event loop.
        """
        if self.aligned and partition is not None:
            return self._senders[partition].put(records, timestamp_ms)
        held = list(records)
        return self.spread([record[0] for record in held], lambda at: (held[i] for i in at), timestamp_ms)

    def spread(
        self,
        keys: Sequence[bytes | None],
        records: Callable[[Sequence[int]], Iterable[OutputRecord]],
        timestamp_ms: int,
    ) -> set[Acknowledgement]:
        """As `send`, each record to the partition of its key. `records`: makes those at the given indices of `keys`,
        once they are needed."""
        number_of = partitions_for(keys, len(self._senders), self._partitioner)
        order = np.argsort(number_of, kind="stable")
        numbers, begins = np.unique(number_of[order], return_index=True)
        waits: set[Acknowledgement] = set()
        for number, at in zip(numbers.tolist(), np.split(order, begins[1:]), strict=True):
            waits |= self._senders[number].put(records(at.tolist()), timestamp_ms)
        return waits

    def send_to(self, number: int, record: OutputRecord, timestamp_ms: int) -> set[Acknowledgement]:
        """As `send`, one record to the partition `number`."""
        return self._senders[number].put((record,), timestamp_ms)


class StageOutputs(NamedTuple):
    """What a stage writes in addition to its changelog; None where it has no such output.

    `forwards`: the log of the next stage. `payments`: the payments log, into which labels are forwarded, and misplaced
    records copied.
    """

    dead_letters: Output[Any]
    decisions: Output[Any] | None
    alerts: Output[Any] | None
    forwards: Output[Any] | None
    payments: Output[Any] | None


def stage_outputs(settings: StreamSettings, partitions: Mapping[str, int], sender: RecordSender[Any]) -> StageOutputs:
    """The outputs of the stage. `partitions`: how many each topic has."""

    def output(topic: str) -> Output[Any]:
        aligned = settings.stage_is_first and partitions[topic] == partitions[settings.input_topic]
        return Output(topic, partitions[topic], aligned, sender)

    def payments() -> Output[Any]:
        topic, partitioner = settings.payments_topic, settings.partitioner
        return Output(topic, partitions[topic], False, sender, "murmur2" if partitioner == "any" else partitioner)

    decides = settings.next_topic is None
    return StageOutputs(
        dead_letters=output(settings.dead_letters_topic),
        decisions=output(settings.decisions_topic) if settings.writes_decisions else None,
        alerts=output(settings.alerts_topic) if decides else None,
        forwards=output(settings.next_topic) if settings.next_topic is not None else None,
        payments=payments() if settings.labels_topic is not None or settings.repartitions else None,
    )


class _PartitionSender(Generic[BatchT]):
    """Sends to one partition, one batch at a time; records that arrive meanwhile join the next batch, so that
    processing does not wait for the broker.

    After a batch that failed nothing is sent: a reader that drops offsets not higher than the highest seen would never
    take the failed records when they are sent again.
    """

    def __init__(self, topic: str, partition: int, sender: RecordSender[BatchT]) -> None:
        self._topic, self._partition, self._sender = topic, partition, sender
        self._waiting: deque[tuple[BatchT, Acknowledgement]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    def put(self, records: Iterable[OutputRecord], timestamp_ms: int) -> set[Acknowledgement]:
        waits: set[Acknowledgement] = set()
        batch, acknowledgement = self._waiting[-1] if self._waiting else self._begin()
        for key, value, headers in records:
            if batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers) is None:  # full
                batch, acknowledgement = self._begin()
                first = batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers)
                assert first is not None, f"{self._topic}: an empty batch refused a record of {len(value)} bytes"
            waits.add(acknowledgement)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        return waits

    def _begin(self) -> tuple[BatchT, Acknowledgement]:
        begun = (self._sender.create_batch(), asyncio.get_running_loop().create_future())
        self._waiting.append(begun)
        return begun

    async def _send(self) -> None:
        while self._waiting:
            batch, acknowledgement = self._waiting.popleft()
            if self._failure is None:
                try:
                    await self._sender.send_batch(batch, self._topic, self._partition)
                except Exception as error:
                    self._failure = error
            if self._failure is not None:
                acknowledgement.set_exception(self._failure)
            else:
                acknowledgement.set_result(None)
