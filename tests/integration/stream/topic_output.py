"""What tests read from topics: every record from the beginning, until there are enough."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from fraudstream.contracts import Decision
from fraudstream.kafka import Brokers
from fraudstream.kafka.offset_gaps import OffsetGaps
from tests.integration.stream.process import WAIT_S

Records = list[ConsumerRecord]
Enough = Callable[[Records], bool]


async def read_records(brokers: Brokers, topic: str, enough: Enough, is_kafka: bool) -> Records:
    """All records of `topic` from its beginning, as soon as `enough` of them holds. Fails after `WAIT_S`.

    On the embedded broker (`is_kafka` false) gaps in the offsets are fetched again: it has no transaction markers, so
    a gap there would be a missed record.
    """
    consumer = AIOKafkaConsumer(**brokers.options(), auto_offset_reset="earliest", fetch_max_wait_ms=20)
    await consumer.start()
    try:
        known = await consumer._client.fetch_all_metadata()
        numbers = known.partitions_for_topic(topic) or set()
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        offset_gaps, next_offsets = OffsetGaps(consumer), dict.fromkeys(partitions, 0)
        found: Records = []
        limit = time.monotonic() + WAIT_S
        while True:
            for tp, fetched in (await consumer.getmany(timeout_ms=100)).items():
                batch = fetched if is_kafka else offset_gaps.contiguous(tp, next_offsets[tp], fetched)
                next_offsets[tp] = batch[-1].offset + 1 if batch else next_offsets[tp]
                found += batch
            if enough(found):
                return found
            assert time.monotonic() < limit, f"{topic}: {len(found)} records after {WAIT_S} s are not enough"
    finally:
        await consumer.stop()


async def end_offsets(brokers: Brokers, topic: str, partitions: int) -> dict[int, int]:
    """By partition, the offset after its last record."""
    async with AIOKafkaConsumer(**brokers.options()) as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
        return {tp.partition: end for tp, end in ends.items()}


def at_least(count: int) -> Enough:
    """So many records are enough."""
    return lambda found: len(found) >= count


def payments_decided(payments: int) -> Enough:
    """Decisions (or alerts) on so many different payments are enough; those on records not judged do not count."""
    return lambda found: len({_answer(record.value).event_id for record in judged(found)}) >= payments


def judged(found: Records) -> Records:
    """The records of `decisions` on payments that were judged."""
    return [record for record in found if _answer(record.value).outcome != "unjudged"]


def decision_of(record: ConsumerRecord) -> Decision:
    """The decision that a record of `decisions` holds."""
    return msgspec.json.decode(record.value, type=Decision)


class _Answer(msgspec.Struct):
    """What decisions and alerts have in common."""

    outcome: str
    event_id: str | None = None


_answer = msgspec.json.Decoder(_Answer).decode
