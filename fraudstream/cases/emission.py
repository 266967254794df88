"""Emission: who may write the cases of a partition, and how.

Labels and dead letters leave by a plain producer, always before the cases that belong to them: a crash in between
repeats the step, and they say the same again. They stay outside transactions, as an open one would hold up every reader
of the log of payments. The cases of a step, in order, leave by

- `FencedEmission` (Apache Kafka): one Kafka transaction, one `transactional.id` a partition. Taking a partition over
  fences its previous owner: a paused process that wakes up is refused by the broker, and its open transaction is
  aborted;
- `PlainEmission` (a broker without sound transactions, so the embedded one): record batches, one after the other. What
  is durable after a crash is a beginning of the list, and every record says what it stands behind. Nobody is fenced:
  run one agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from fraudstream.cases.record import CaseRecord
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.topic_metadata import topic_identity

TRANSACTION_S: Final = 10.0
CLOSE_S: Final = 5.0
RECORD_BYTES_MAX: Final = 1_000_000


class PlainEmission:
    """Any error, or no answer in `TRANSACTION_S`, means that what was sent may or may not be durable: the process must
    leave, its successor finds out from the topic."""

    fenced = False

    def __init__(self, brokers: Brokers) -> None:
        self._options: dict[str, Any] = {
            **brokers.options(),
            "acks": "all",
            "compression_type": "lz4",
            "max_request_size": RECORD_BYTES_MAX,
            "max_batch_size": RECORD_BYTES_MAX,
        }

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(**self._options)
        try:
            await self._producer.start()
        except BaseException:
            await close(self._producer, CLOSE_S)
            raise

    async def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has."""
        return len(await self._producer.partitions_for(topic))

    async def identity_of(self, topic: str) -> str:
        """What tells a topic from one of the same name that was made anew."""
        return await topic_identity(self._producer.client, topic)

    async def send(self, records: Sequence[CaseRecord]) -> None:
        """Send what accompanies a case, and wait until it is durable."""
        async with asyncio.timeout(TRANSACTION_S):
            for acknowledged in [await _send(self._producer, record) for record in records]:
                await acknowledged

    async def take_over(self, partition: int) -> None:
        """Become the only writer of the partition's cases. Before they are read."""

    async def emit(self, partition: int, cases: Sequence[CaseRecord]) -> int:
        """Send cases, in order, wait until they are durable, give the offset of the last."""
        return await asyncio.wait_for(_send_batches(self._producer, partition, cases), TRANSACTION_S)

    async def let_go(self, partition: int) -> None:
        """The partition has another owner now, or none."""

    async def stop(self) -> None:
        await close(self._producer, CLOSE_S)


class FencedEmission(PlainEmission):
    """A transactional producer for each partition, named `<group>-<partition>`, beside the plain one (which is
    idempotent here)."""

    fenced = True

    def __init__(self, brokers: Brokers, group: str) -> None:
        super().__init__(brokers)
        self._options |= {"enable_idempotence": True}
        self._group = group
        self._owners: dict[int, AIOKafkaProducer] = {}

    async def take_over(self, partition: int) -> None:
        await self.let_go(partition)
        owner = AIOKafkaProducer(
            **self._options,
            transactional_id=f"{self._group}-{partition}",
            transaction_timeout_ms=round(TRANSACTION_S * 1000),
        )
        self._owners[partition] = owner  # before it has started: it is stopped in any case
        await asyncio.wait_for(owner.start(), TRANSACTION_S)

    async def emit(self, partition: int, cases: Sequence[CaseRecord]) -> int:
        # Bounded: aiokafka retries the end of a transaction for ever when it is refused with an error it does not know.
        return await asyncio.wait_for(self._emit(self._owners[partition], partition, cases), TRANSACTION_S)

    async def _emit(self, owner: AIOKafkaProducer, partition: int, cases: Sequence[CaseRecord]) -> int:
        # A failure aborts nothing here: that would have to wait for the broker, and the next owner's start does it.
        await owner.begin_transaction()
        offset = await _send_batches(owner, partition, cases)
        await owner.commit_transaction()
        return offset

    async def let_go(self, partition: int) -> None:
        owner = self._owners.pop(partition, None)
        if owner is not None:
            await close(owner, CLOSE_S)

    async def stop(self) -> None:
        for partition in list(self._owners):
            await self.let_go(partition)
        await super().stop()


async def _send(producer: AIOKafkaProducer, record: CaseRecord) -> Any:
    return await producer.send(
        record.topic, record.value, key=record.key, partition=record.partition, headers=list(record.headers)
    )


async def _send_batches(producer: AIOKafkaProducer, partition: int, records: Sequence[CaseRecord]) -> int:
    """Send records of one topic to one partition, a batch when the one before is durable; the offset of the last."""
    offset, first = -1, 0
    while first < len(records):
        batch = producer.create_batch()
        for record in records[first:]:
            added = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
            if added is None:  # full, and says so only thus
                break
        count = batch.record_count()
        assert count > 0, f"a record of {len(records[first].value)} bytes does not fit a batch"
        sent = await producer.send_batch(batch, records[first].topic, partition=partition)
        offset = (await sent).offset + count - 1
        first += count
    return offset
