"""Writes cases, answers, notices, labels and dead letters to Kafka, as the only writer of a partition's cases.

Labels and dead letters are written by a plain producer, always before the cases that they belong to: after a crash in
between the step is repeated, and the same labels are written again. They stay outside transactions, as an open one
would block every reader of the payments topic. The cases of a step are written, in order, and with them notices to
customers and the answers to actions, by

- `FencedEmission` (Apache Kafka): one Kafka transaction; each partition has its own `transactional.id`. Acquiring a
  partition fences its previous owner: the broker rejects a paused process that resumes, and aborts its transaction, so
  it cannot answer from an outdated state;
- `PlainEmission` (a broker without transactions, such as the embedded one): record batches, one after the other.
  Notices first, which a repeated step writes again with the same ids; cases before answers, so that what is answered is
  durable. After a crash a prefix of the records is durable, and every case holds its position; cases that one action
  changed together are in one batch, which is durable as a whole or not at all; a lost answer is written again when the
  action is repeated. There is no fencing: run one agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from fraudstream.cases.record import CaseRecord
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.compression import DEFAULT_CODEC, Codec, compression_type
from fraudstream.kafka.topic_metadata import topic_identity

TRANSACTION_S: Final = 10.0
CLOSE_S: Final = 5.0
RECORD_BYTES_MAX: Final = 1_000_000


class PlainEmission:
    """Writes without transactions.

    After an error, or no answer within `TRANSACTION_S`, the records may or may not be durable: the process must exit,
    and its successor reads from the topic which of them are.
    """

    fenced = False

    def __init__(self, brokers: Brokers, codec: Codec = DEFAULT_CODEC) -> None:
        self._options: dict[str, Any] = {
            **brokers.options(),
            "acks": "all",
            "compression_type": compression_type(codec),
            "max_request_size": RECORD_BYTES_MAX,
            "max_batch_size": RECORD_BYTES_MAX,
        }

    async def start(self) -> None:
        """Connect. Raises aiokafka's errors."""
        self._producer = AIOKafkaProducer(**self._options)
        try:
            await self._producer.start()
        except BaseException:
            await close(self._producer, CLOSE_S)
            raise

    async def partitions_of(self, topic: str) -> int:
        """Number of partitions of a topic. Raises aiokafka's errors."""
        return len(await self._producer.partitions_for(topic))

    async def identity_of(self, topic: str) -> str:
        """The topic's id, which changes when the topic is created again. Raises aiokafka's errors."""
        return await topic_identity(self._producer.client, topic)

    async def send(self, records: Sequence[CaseRecord]) -> None:
        """Write labels and dead letters and wait until they are durable. Raises `TimeoutError`, aiokafka's errors."""
        async with asyncio.timeout(TRANSACTION_S):
            for acknowledged in [await _send(self._producer, record) for record in records]:
                await acknowledged

    async def acquire(self, partition: int) -> None:
        """Become the only writer of the partition's cases; to be called before they are read."""

    async def emit(
        self,
        partition: int,
        cases: Sequence[CaseRecord],
        answers: Sequence[CaseRecord] = (),
        notices: Sequence[CaseRecord] = (),
    ) -> int:
        """Write notices, cases, then answers, in order, and wait until they are durable; the offset of the last case,
        -1 if there is none. Raises as `send` does."""
        sending = _send_step(self._producer, partition, cases, answers, notices)
        return await asyncio.wait_for(sending, TRANSACTION_S)

    async def release(self, partition: int) -> None:
        """Stop being the partition's writer: it has been revoked."""

    async def stop(self) -> None:
        """Close all producers, within a time limit each."""
        await close(self._producer, CLOSE_S)


class FencedEmission(PlainEmission):
    """Writes cases in transactions: one transactional producer for each partition, `<group>-<partition>`, beside the
    plain one, which is idempotent here."""

    fenced = True

    def __init__(self, brokers: Brokers, group: str, codec: Codec = DEFAULT_CODEC) -> None:
        super().__init__(brokers, codec)
        self._options |= {"enable_idempotence": True}
        self._group = group
        self._owners: dict[int, AIOKafkaProducer] = {}

    async def acquire(self, partition: int) -> None:
        """Start the partition's producer, which fences the previous owner's. Raises as `send` does."""
        await self.release(partition)
        owner = AIOKafkaProducer(
            **self._options,
            transactional_id=f"{self._group}-{partition}",
            transaction_timeout_ms=round(TRANSACTION_S * 1000),
        )
        self._owners[partition] = owner  # before it starts, so that it is closed in any case
        await asyncio.wait_for(owner.start(), TRANSACTION_S)

    async def emit(
        self,
        partition: int,
        cases: Sequence[CaseRecord],
        answers: Sequence[CaseRecord] = (),
        notices: Sequence[CaseRecord] = (),
    ) -> int:
        """Write notices, cases and answers in one transaction; the offset of the last case, -1 if there is none. Raises
        as `send` does."""
        # Limited, as aiokafka retries the end of a transaction without limit after an error that it does not know.
        return await asyncio.wait_for(self._emit(partition, cases, answers, notices), TRANSACTION_S)

    async def _emit(
        self,
        partition: int,
        cases: Sequence[CaseRecord],
        answers: Sequence[CaseRecord],
        notices: Sequence[CaseRecord],
    ) -> int:
        owner = self._owners[partition]
        # After a failure nothing is aborted: that would wait for the broker, and the next owner's `acquire` does it.
        await owner.begin_transaction()
        offset = await _send_step(owner, partition, cases, answers, notices)
        await owner.commit_transaction()
        return offset

    async def release(self, partition: int) -> None:
        """Close the partition's producer."""
        owner = self._owners.pop(partition, None)
        if owner is not None:
            await close(owner, CLOSE_S)

    async def stop(self) -> None:
        """Close all producers, within a time limit each."""
        for partition in list(self._owners):
            await self.release(partition)
        await super().stop()


async def _send(producer: AIOKafkaProducer, record: CaseRecord) -> Any:
    return await producer.send(
        record.topic, record.value, key=record.key, partition=record.partition, headers=list(record.headers)
    )


async def _send_step(
    producer: AIOKafkaProducer,
    partition: int,
    cases: Sequence[CaseRecord],
    answers: Sequence[CaseRecord],
    notices: Sequence[CaseRecord],
) -> int:
    await _send_batches(producer, partition, notices)
    offset = await _send_batches(producer, partition, cases)
    await _send_batches(producer, partition, answers)
    return offset


async def _send_batches(producer: AIOKafkaProducer, partition: int, records: Sequence[CaseRecord]) -> int:
    """Write records of one topic to one partition, each batch once the one before is durable; the offset of the
    last, -1 if there is none."""
    offset, first = -1, 0
    while first < len(records):
        batch = producer.create_batch()
        for before, record in zip((None, *records[first:]), records[first:], strict=False):
            if record.with_next and before is not None and not before.with_next:
                break  # those that belong together begin a batch of their own
            added = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
            if added is None:  # the batch is full
                break
        count = batch.record_count()
        assert count > 0, f"a record of {len(records[first].value or b'')} bytes does not fit into a batch"
        assert not records[first + count - 1].with_next, "records that belong together do not fit into a batch"
        sent = await producer.send_batch(batch, records[first].topic, partition=partition)
        offset = (await sent).offset + count - 1
        first += count
    return offset
