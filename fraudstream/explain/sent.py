"""Finds what was sent about a payment: its alert by id, its decision by event and account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec
from aiokafka import ConsumerRecord
from aiokafka.partitioner import DefaultPartitioner

from fraudstream.contracts import Alert, Decision
from fraudstream.contracts.headers import SOURCE_HEADER, source_of, version_of
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka.topic_reader import NoTopicError, OffsetRange, TopicReader

CHUNK_RECORDS = 10_000  # per step of a backward search

DecodedT = TypeVar("DecodedT")


class _Outcome(msgspec.Struct):
    outcome: str


_alert = msgspec.json.Decoder(Alert)
_decision = msgspec.json.Decoder(Decision)
_outcome = msgspec.json.Decoder(_Outcome)


class LogPosition(NamedTuple):
    """A position in a log: partition and offset."""

    partition: int
    offset: int


class Sent(NamedTuple):
    """An alert or decision, its bytes, and the position of its payment in the log of that state version."""

    answer: Alert | Decision
    value: bytes
    position: LogPosition
    state_version: int


async def find_alert(reader: TopicReader, topic: str, alert_id: str, since_ms: int | None) -> Sent | None:
    """The newest alert with that id on `topic`, searched from the end back to `since_ms` (ms since the epoch, UTC), or
    to the beginning. Raises `NoTopicError`."""

    def matches(value: bytes) -> Alert | None:
        alert = _decoded(_alert, value) if needle in value else None
        return alert if alert is not None and alert.alert_id == alert_id else None

    needle = alert_id.encode()
    return await _newest(reader, topic, await reader.partitions(topic), since_ms, matches)


async def find_alerts(reader: TopicReader, topic: str, partition: int, alert_ids: Sequence[str]) -> dict[str, Alert]:
    """The newest alert of each id in one partition, by id, searched from its end backward. Ids without an alert are
    left out. Raises `NoTopicError`."""
    if partition not in await reader.partitions(topic):
        raise NoTopicError(topic, partition)
    wanted, found = set(alert_ids), dict[str, Alert]()
    begin, end = await reader.extent(topic, partition)
    while wanted and end > begin:
        low = max(begin, end - CHUNK_RECORDS)
        async for records in reader.forward(topic, partition, low, end):
            for alert in (_decoded(_alert, record.value) for record in records if record.value is not None):
                if alert is not None and alert.alert_id in wanted:
                    found[alert.alert_id] = alert
        wanted -= found.keys()
        end = low
    return found


async def find_decision(
    reader: TopicReader, topic: str, event_id: str, account_id: str, since_ms: int | None
) -> Sent | None:
    """The newest decision on the account's event that is not a repeat, searched as in `find_alert`."""

    def matches(value: bytes) -> Decision | None:
        decision = decision_in(value) if needle in value else None
        if decision is None or decision.repeat or (decision.event_id, decision.account_id) != (event_id, account_id):
            return None
        return decision

    needle = msgspec.json.encode(event_id)
    likely, *others = likely_first(await reader.partitions(topic), account_id)
    return await _newest(reader, topic, [likely], since_ms, matches) or await _newest(
        reader, topic, others, since_ms, matches
    )


def decision_in(value: bytes) -> Decision | None:
    """The decision that a record of the decisions topic holds; None for the answer to one that was not judged, and for
    a record of another kind."""
    outcome = _decoded(_outcome, value)
    return None if outcome is None or outcome.outcome == "unjudged" else _decoded(_decision, value)


def _decoded(decoder: msgspec.json.Decoder[DecodedT], value: bytes) -> DecodedT | None:
    try:
        return decoder.decode(value)
    except UNDECODABLE:  # another program has written it
        return None


def likely_first(partitions: Sequence[int], key: str) -> list[int]:
    """All `partitions`, beginning with the one that Kafka's default partitioner chooses for the key."""
    likely = DefaultPartitioner()(key.encode(), list(partitions), list(partitions))
    return sorted(partitions, key=lambda partition: partition != likely)


async def _newest(
    reader: TopicReader,
    topic: str,
    partitions: Sequence[int],
    since_ms: int | None,
    matches: Callable[[bytes], Alert | Decision | None],
) -> Sent | None:
    """The newest match, searched from the ends of the partitions backward, a chunk of each in turn."""
    spans = await reader.extents(topic, partitions)
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


async def offsets_since(reader: TopicReader, topic: str, partition: int, since_ms: int | None) -> OffsetRange:
    """The offsets of a partition, of records that are not older than `since_ms`; None: of all."""
    span = await reader.extent(topic, partition)
    return span if since_ms is None else await _since(reader, topic, partition, span, since_ms)


async def _since(reader: TopicReader, topic: str, partition: int, span: OffsetRange, since_ms: int) -> OffsetRange:
    """The part of `span` that is not older than `since_ms`."""
    floor = await reader.offset_at(topic, partition, since_ms)
    return OffsetRange(max(span.begin, span.end if floor is None else floor), span.end)


def position_of(record: ConsumerRecord[bytes, bytes]) -> LogPosition | None:
    """The position in the header `source`; None if the record has none."""
    position = source_of(dict(record.headers).get(SOURCE_HEADER))
    return None if position is None else LogPosition(int(position[0]), position[1])
