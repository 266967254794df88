"""Finds what was sent about a payment: its alert by id, its decision by event and account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from aiokafka import ConsumerRecord
from aiokafka.partitioner import DefaultPartitioner

from fraudstream.contracts import Alert, Decision
from fraudstream.contracts.headers import SOURCE_HEADER, source_of, version_of
from fraudstream.explain.topic_reader import NoTopicError, OffsetRange, TopicReader

CHUNK_RECORDS = 10_000  # read at once

_alert = msgspec.json.Decoder(Alert)
_decision = msgspec.json.Decoder(Decision)


class LogPosition(NamedTuple):
    """Where a payment stands in the log."""

    partition: int
    offset: int


class Sent(NamedTuple):
    """An alert or a decision, its bytes, and the place of the payment that it answers, in a log of that version."""

    answer: Alert | Decision
    value: bytes
    position: LogPosition
    state_version: int


async def find_alert(reader: TopicReader, topic: str, alert_id: str, since_ms: int | None) -> Sent | None:
    """The newest alert of that id on `topic`, looked for from its end back to `since_ms`, or to its beginning."""

    def matches(value: bytes) -> Alert | None:
        alert = _alert.decode(value) if needle in value else None
        return alert if alert is not None and alert.alert_id == alert_id else None

    needle = alert_id.encode()
    return await _newest(reader, topic, await reader.partitions(topic), since_ms, matches)


async def find_alerts(reader: TopicReader, topic: str, partition: int, alert_ids: Sequence[str]) -> dict[str, Alert]:
    """The alerts of those ids that stand in a partition, by id: the newest of each, read from its end backward.

    Raises `NoTopicError`."""
    if partition not in await reader.partitions(topic):
        raise NoTopicError(f"'{topic}' has no partition {partition}")
    wanted, found = set(alert_ids), dict[str, Alert]()
    begin, end = await reader.span(topic, partition)
    while wanted and end > begin:
        low = max(begin, end - CHUNK_RECORDS)
        async for records in reader.forward(topic, partition, low, end):
            for alert in (_alert.decode(record.value) for record in records if record.value is not None):
                if alert.alert_id in wanted:
                    found[alert.alert_id] = alert
        wanted -= found.keys()
        end = low
    return found


async def find_decision(
    reader: TopicReader, topic: str, event_id: str, account_id: str, since_ms: int | None
) -> Sent | None:
    """The newest first verdict (no repeat) on that event of the account."""

    def matches(value: bytes) -> Decision | None:
        decision = _decision.decode(value) if needle in value else None
        if decision is None or decision.repeat or (decision.event_id, decision.account_id) != (event_id, account_id):
            return None
        return decision

    needle = msgspec.json.encode(event_id)
    likely, *others = likely_first(await reader.partitions(topic), account_id)
    return await _newest(reader, topic, [likely], since_ms, matches) or await _newest(
        reader, topic, others, since_ms, matches
    )


def likely_first(partitions: Sequence[int], key: str) -> list[int]:
    """All the partitions, first the one to which Kafka's own partitioner takes the key."""
    likely = DefaultPartitioner()(key.encode(), list(partitions), list(partitions))
    return sorted(partitions, key=lambda partition: partition != likely)


async def _newest(
    reader: TopicReader,
    topic: str,
    partitions: Sequence[int],
    since_ms: int | None,
    matches: Callable[[bytes], Alert | Decision | None],
) -> Sent | None:
    """What matches, looked for from the ends of the partitions backward, in turns."""
    spans = await reader.spans(topic, partitions)
    if since_ms is not None:
        spans = {partition: await _since(reader, topic, partition, span, since_ms) for partition, span in spans.items()}
    while spans:
        for partition, (begin, end) in list(spans.items()):
            low = max(begin, end - CHUNK_RECORDS)
            chunk = [record async for records in reader.forward(topic, partition, low, end) for record in records]
            for record in reversed(chunk):
                answer = matches(record.value) if record.value is not None else None
                if answer is not None and (position := position_of(record)) is not None:
                    return Sent(answer, record.value, position, version_of(dict(record.headers)))
            spans[partition] = OffsetRange(begin, low)
            if low <= begin:
                del spans[partition]
    return None


async def _since(reader: TopicReader, topic: str, partition: int, span: OffsetRange, since_ms: int) -> OffsetRange:
    floor = await reader.offset_at(topic, partition, since_ms)
    return OffsetRange(max(span.begin, span.end if floor is None else floor), span.end)


def position_of(record: ConsumerRecord[bytes, bytes]) -> LogPosition | None:
    """The place in the header `source`, if the record has one."""
    position = source_of(dict(record.headers).get(SOURCE_HEADER))
    return None if position is None else LogPosition(int(position[0]), position[1])
