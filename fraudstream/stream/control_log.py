"""The topic `controls`, and controls on their way into the log.

`controls` is compacted: it keeps every rule set by its digest, the newest entry of each value of each list, and the
last rule-set switch. The log has the order; this topic has what a digest stands for, and what the lists hold today.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.contracts.control import Control, ListEntry, RuleSwitch, Stored, StoredRuleSet
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.kafka.partitions import partitions_of, topics_of
from fraudstream.kafka.topic_reader import TopicReader
from fraudstream.stream.checkpoints.fencing import COMPRESSION
from fraudstream.stream.settings import StreamSettings, version_suffix

RECORD_BYTES_MAX = 8 * 1024 * 1024  # as topics.yaml allows on `controls`: a rule set is one record
RECORDS_AT_ONCE = 2_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Stored).decode


class NoTopicError(Exception):
    """There is no topic of this name."""


class Controls(NamedTuple):
    """What `controls` holds. `rule_sets`: the files of each by its digest; `entries`: the newest of each list and
    value, removed ones too; `switch`: the last one, if there was one."""

    rule_sets: dict[str, dict[str, str]]
    entries: dict[tuple[str, str], ListEntry]
    switch: RuleSwitch | None


def deciding_topic(settings: StreamSettings) -> str:
    """The log in which payments are decided: controls must stand between its payments. `settings`: of the stage that
    decides."""
    assert settings.next_stage is None, f"the stage '{settings.stage}' does not decide"
    return settings.input_topic


async def read_controls(settings: StreamSettings) -> Controls:
    """All that stands in `controls` now. What is no record of ours there is passed over. Raises `NoTopicError`,
    `StalledError`."""
    rule_sets: dict[str, dict[str, str]] = {}
    entries: dict[tuple[str, str], ListEntry] = {}
    switch: RuleSwitch | None = None
    numbers = await partitions_of(settings.brokers, settings.controls_topic)
    if not numbers:
        raise NoTopicError(settings.controls_topic)
    async with TopicReader(settings.brokers, committed_only=False, fetch_wait_ms=settings.fetch_wait) as reader:
        for number in numbers:
            async for records in reader.whole(settings.controls_topic, number, chunk_records=RECORDS_AT_ONCE):
                for record in records:
                    match _stored(record.value):
                        case StoredRuleSet() as stored:
                            rule_sets[stored.rule_set] = stored.files
                        case ListEntry() as entry:
                            entries[entry.list, entry.value] = entry
                        case RuleSwitch() as switched:
                            switch = switched
                        case None:
                            pass
    return Controls(rule_sets, entries, switch)


async def keep(settings: StreamSettings, records: Sequence[Stored]) -> None:
    """Write `records` to `controls` and wait until they are durable."""
    async with _producer(settings) as producer:
        await _keep(producer, settings, records)


async def logs_of_other_versions(settings: StreamSettings) -> list[str]:
    """The logs in which another state version of the group may decide: while one is built beside another, an entry of
    a list has to stand in those of both. `settings`: of the stage that decides."""
    topics, ours = await topics_of(settings.brokers), version_suffix(settings.state_version)
    between = rf"{re.escape(settings.group)}-{re.escape(settings.payments_topic)}-by-\w+?(-v\d+)?"
    changelog = rf"{re.escape(settings.group)}-\w+?(-v\d+)?-state-changelog"
    found = [name for name in topics if (match := re.fullmatch(between, name)) and (match[1] or "") != ours]
    others = any((match[1] or "") != ours for name in topics if (match := re.fullmatch(changelog, name)))
    beside = others and not settings.stage_is_first and settings.payments_topic in topics
    return [*found, settings.payments_topic] if beside else found


async def bring_lists_along(settings: StreamSettings) -> None:
    """Write what the lists hold today, and what was taken off, to the log of a version that is about to decide: those
    before it may have decided in another log, and of this one entries may be out of date. `settings`: of the stage that
    decides. Returns once nothing has changed meanwhile; what comes later goes into that log, too."""
    written: dict[tuple[str, str], ListEntry] = {}
    topic = deciding_topic(settings)
    while True:
        entries = (await read_controls(settings)).entries
        new = [entry for key, entry in entries.items() if written.get(key) != entry]
        if not new:
            return
        async with _producer(settings) as producer:
            await _write(producer, topic, await partitions_of(settings.brokers, topic), new)
        written = entries


async def put_in_force(
    settings: StreamSettings,
    rule_sets: Sequence[StoredRuleSet],
    controls: Sequence[Control],
    logs: Sequence[str] | None = None,
) -> dict[int, int]:
    """Write all to `controls`, then `controls` to every partition of the logs, by default of that which decides; where
    the first stands in each of the first log's.

    Doing it again changes nothing, so what failed half-way is done again. Raises `NoTopicError`.
    """
    topics = await topics_of(settings.brokers)
    logs = [deciding_topic(settings)] if logs is None else logs
    for log in logs:
        if not topics.get(log):
            raise NoTopicError(log)
    async with _producer(settings) as producer:
        await _keep(producer, settings, [*rule_sets, *controls])
        offsets = [await _write(producer, log, topics[log], controls) for log in logs]
    return offsets[0]


async def _write(
    producer: AIOKafkaProducer, log: str, numbers: Sequence[int], controls: Sequence[Control]
) -> dict[int, int]:
    """To these partitions of the log; where the first of them stands in each."""
    offsets: dict[int, int] = {}
    for number in numbers:
        sent = [
            await producer.send(log, _encode(control), partition=number, headers=[CONTROL_HEADER])
            for control in controls
        ]
        offsets[number] = (await asyncio.gather(*sent))[0].offset
    return offsets


async def _keep(producer: AIOKafkaProducer, settings: StreamSettings, records: Sequence[Stored]) -> None:
    sent = [await producer.send(settings.controls_topic, _encode(record), key=record.key) for record in records]
    await asyncio.gather(*sent)


def _producer(settings: StreamSettings) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **settings.brokers.options(),
        acks="all",
        enable_idempotence=settings.checkpoint_mode == "transaction",
        max_request_size=RECORD_BYTES_MAX,
        compression_type=COMPRESSION,
    )


def _stored(value: bytes | None) -> Stored | None:
    try:
        stored: Stored = _decode(value or b"")
        return stored
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
