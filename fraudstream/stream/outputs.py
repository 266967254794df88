"""The topics that a stage writes: keyed records packed into as few record batches as possible, acknowledged later.

An account's records stay in order: where the input is keyed by account and the output has as many partitions, they go
to the partition of the same number, else to the one that Kafka's default partitioner gives the key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fraudstream.engine.partitioners import Partitioner, partitions_of
from fraudstream.kafka.record_batch.outgoing import OutgoingRecords
from fraudstream.kafka.record_batch.writer import write_batches
from fraudstream.stream.ports import RecordSender

if TYPE_CHECKING:
    from fraudstream.stream.settings import StreamSettings

Acknowledgement = asyncio.Future[None]


class Departures:
    """When the outputs of a stage leave: at once, or together when a step of several batches ends.

    Without this, the outputs of a step's first batch would leave alone, and those of the others would wait until the
    broker has acknowledged them: two waits and twice the requests instead of one.
    """

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within the context nothing leaves. Nothing may be awaited there that waits for an acknowledgement."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    async def allowed(self) -> None:
        """Wait until outputs may leave."""
        await self._open.wait()


class Output:
    """One topic that a stage writes. `partitions`: how many it has."""

    def __init__(
        self,
        topic: str,
        partitions: int,
        aligned: bool,
        sender: RecordSender,
        departures: Departures,
        partitioner: Partitioner = "murmur2",
    ) -> None:
        """`aligned`: records that answer a partition of the input go to the partition of the same number.
        `departures`: of all outputs of the stage. `partitioner`: of the records that answer none."""
        self.partitions, self.aligned, self._partitioner = partitions, aligned, partitioner
        self._senders = [_PartitionSender(topic, number, sender, departures) for number in range(partitions)]

    def send(self, partition: int | None, records: OutgoingRecords) -> set[Acknowledgement]:
        """Start to send records, in order; returns the futures that end with their acknowledgement.

        `partition`: that of the input which they answer, None if they answer none. Must be called in the event loop.
        """
        if self.aligned and partition is not None:
            return self.send_to(partition, records)
        return self.spread(records)

    def spread(self, records: OutgoingRecords) -> set[Acknowledgement]:
        """As `send`, each record to the partition of its key."""
        if self.partitions == 1:
            return self.send_to(0, records)
        number_of = partitions_of(records.keys, self.partitions, self._partitioner)
        order = np.argsort(number_of, kind="stable")
        numbers, begins = np.unique(number_of[order], return_index=True)
        waits: set[Acknowledgement] = set()
        for number, rows in zip(numbers.tolist(), np.split(order, begins[1:]), strict=True):
            waits |= self.send_to(number, records.rows(rows))
        return waits

    def send_to(self, number: int, records: OutgoingRecords) -> set[Acknowledgement]:
        """As `send`, all records to the partition `number`."""
        return {self._senders[number].put(records)} if records.n else set()


class StageOutputs(NamedTuple):
    """What a stage writes in addition to its changelog; None where it has no such output.

    `forwards`: the log of the next stage. `payments`: the payments log, into which labels are forwarded, and misplaced
    records copied.
    """

    dead_letters: Output
    decisions: Output | None
    alerts: Output | None
    forwards: Output | None
    payments: Output | None


def stage_outputs(
    settings: StreamSettings, partitions: Mapping[str, int], sender: RecordSender, departures: Departures
) -> StageOutputs:
    """The outputs of the stage. `partitions`: how many each topic has."""

    def output(topic: str) -> Output:
        aligned = settings.stage_is_first and partitions[topic] == partitions[settings.input_topic]
        return Output(topic, partitions[topic], aligned, sender, departures)

    def payments() -> Output:
        topic, partitioner = settings.payments_topic, settings.partitioner
        return Output(
            topic, partitions[topic], False, sender, departures, "murmur2" if partitioner == "any" else partitioner
        )

    decides = settings.next_topic is None
    return StageOutputs(
        dead_letters=output(settings.dead_letters_topic),
        decisions=output(settings.decisions_topic) if settings.writes_decisions else None,
        alerts=output(settings.alerts_topic) if decides else None,
        forwards=output(settings.next_topic) if settings.next_topic is not None else None,
        payments=payments() if settings.labels_topic is not None or settings.repartitions else None,
    )


class _Waiting:
    """Records that wait to be sent together."""

    def __init__(self) -> None:
        self.records: list[OutgoingRecords] = []
        self.acknowledgement: Acknowledgement = asyncio.get_running_loop().create_future()
        self._size = self._measured = 0

    def has_room_for(self, records: OutgoingRecords, limit: int) -> bool:
        """Whether `records` and those that wait fit into a batch of `limit` bytes."""
        self._size += sum(waiting.size_max for waiting in self.records[self._measured :])
        self._measured = len(self.records)
        return self._size + records.size_max <= limit


class _PartitionSender:
    """Sends to one partition, one batch at a time; records that arrive meanwhile join the next batch, so that
    processing does not wait for the broker.

    The next batch waits for the acknowledgement, although an idempotent producer might send it before: aiokafka keeps
    one request to a broker in flight whatever it is given, and a batch that is written later holds more records.

    After a batch that failed nothing is sent: a reader that drops offsets not higher than the highest seen would never
    take the failed records when they are sent again.
    """

    def __init__(self, topic: str, partition: int, sender: RecordSender, departures: Departures) -> None:
        self._topic, self._partition, self._sender, self._departures = topic, partition, sender, departures
        self._waiting: deque[_Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    def put(self, records: OutgoingRecords) -> Acknowledgement:
        if not self._waiting or not self._waiting[-1].has_room_for(records, self._sender.batch_bytes_max):
            self._waiting.append(_Waiting())
        joined = self._waiting[-1]
        joined.records.append(records)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        return joined.acknowledgement

    async def _send(self) -> None:
        while self._waiting:
            await self._departures.allowed()
            waiting = self._waiting.popleft()
            if self._failure is None:
                try:
                    for batch in write_batches(waiting.records, self._sender.batch_bytes_max):
                        await self._sender.send_batch(batch, self._topic, self._partition)
                except Exception as error:
                    self._failure = error
            if self._failure is not None:
                waiting.acknowledgement.set_exception(self._failure)
            else:
                waiting.acknowledgement.set_result(None)
