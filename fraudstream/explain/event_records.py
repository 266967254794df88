"""Every record of one payment: its first decision, its repeats, and the dead letters that name its event.

The decisions of the account's partition and all dead letters are read from the start, or from `since_ms` on. A dead
letter whose event id cannot be read names no payment and is not found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import msgspec
from aiokafka import ConsumerRecord

from fraudstream.contracts import DeadLetter, Decision
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.engine.partial_event import read_partially
from fraudstream.explain.sent import decision_in, likely_first, offsets_since, position_of
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader

RecordKind = Literal["first", "repeat", "altered", "dead letter"]

_letter = msgspec.json.Decoder(DeadLetter).decode


class EventRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record of an event: at `partition` and `offset` of the log that its answer names.

    `what`: the payment as decided first, a `repeat`, a repeat of other content (`altered`), or a `dead letter`.
    `outcome`: of its decision. Of a dead letter: `topic` of the refused record, `reason`, `sentence`, and `letter`, its
    own position, partition:offset, as `dead-letters show` takes it.
    """

    what: RecordKind
    partition: int
    offset: int
    outcome: str | None = None
    topic: str | None = None
    letter: str | None = None
    reason: str | None = None
    sentence: str | None = None


async def find_event_records(
    reader: TopicReader, decisions: str, dead_letters: str, event_id: str, account_id: str, since_ms: int | None
) -> tuple[EventRecord, ...]:
    """The records of an event, in the order of their logs: first those decided, then the dead letters.

    `decisions`, `dead_letters`: the topics; one that does not exist holds none. Raises `StalledError`.
    """
    decided = [record async for record in _decided(reader, decisions, event_id, account_id, since_ms)]
    refused = [record async for record in _refused(reader, dead_letters, event_id, account_id, since_ms)]
    return (*dict.fromkeys(decided), *refused)  # after a crash a decision is sent again


async def _decided(
    reader: TopicReader, topic: str, event_id: str, account_id: str, since_ms: int | None
) -> AsyncIterator[EventRecord]:
    needle = msgspec.json.encode(event_id)
    try:
        [likely, *_] = likely_first(await reader.partitions(topic), account_id)
    except NoTopicError:
        return
    async for record in _records(reader, topic, likely, since_ms):
        value = record.value or b""
        decision = decision_in(value) if needle in value else None
        if decision is None or (decision.event_id, decision.account_id) != (event_id, account_id):
            continue
        if (position := position_of(record)) is not None:
            yield EventRecord(_what(decision), position.partition, position.offset, decision.outcome)


async def _refused(
    reader: TopicReader, topic: str, event_id: str, account_id: str, since_ms: int | None
) -> AsyncIterator[EventRecord]:
    try:
        partitions = await reader.partitions(topic)
    except NoTopicError:
        return
    for partition in partitions:
        async for record in _records(reader, topic, partition, since_ms):
            try:
                letter = _letter(record.value or b"")
            except UNDECODABLE:
                continue  # `dead-letters list` reports it
            meant = read_partially(letter.value)
            if meant.event_id == event_id and meant.account_id in (account_id, None):
                yield EventRecord(
                    what="dead letter",
                    topic=letter.topic,
                    partition=letter.partition,
                    offset=letter.offset,
                    letter=f"{partition}:{record.offset}",
                    reason=letter.reason,
                    sentence=letter.sentence,
                )


async def _records(
    reader: TopicReader, topic: str, partition: int, since_ms: int | None
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    span = await offsets_since(reader, topic, partition, since_ms)
    if span.begin < span.end:
        async for records in reader.forward(topic, partition, span.begin, span.end):
            for record in records:
                yield record


def _what(decision: Decision) -> RecordKind:
    return "altered" if decision.altered else "repeat" if decision.repeat else "first"
