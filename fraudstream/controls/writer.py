"""Writes controls: to the topic `controls`, and to the logs in which they take effect.

The files that a switch refers to are durable on `controls` before the switch is written to a log:

    1. artefacts and files of the rule set ──► controls, acknowledged
    2. the switch, or list entries         ──► controls, acknowledged
    3. the same                            ──► every partition of each log

Each step can be repeated without effect, so after a failure all steps are repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.contracts.artefact import artefact_parts
from fraudstream.contracts.control import Control, ListEntry, Stored, StoredRuleSet
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.contracts.record_signature import SigningSecrets
from fraudstream.controls.reader import read_controls
from fraudstream.controls.topic import RECORD_BYTES_MAX, ControlsTopic
from fraudstream.kafka.compression import DEFAULT_CODEC, compression_type
from fraudstream.kafka.partitions import partitions_of, topics_of
from fraudstream.kafka.topic_reader import NoTopicError

_encode = msgspec.json.Encoder().encode


def rule_set_records(digest: str, files: Mapping[str, str], artefacts: Iterable[bytes] = ()) -> list[Stored]:
    """The records that `controls` must hold before a switch names the rule set: its artefacts, then its files."""
    parts: list[Stored] = [part for content in artefacts for part in artefact_parts(content)]
    return [*parts, StoredRuleSet(digest, dict(files))]


async def keep(topic: ControlsTopic, records: Sequence[Stored], partition: int | None = None) -> None:
    """Write `records` to `controls`, in order, and wait until they are durable. Raises `KafkaError`.

    `partition`: that of all records; None: that of their keys. The topic should have one partition only.
    """
    async with _producer(topic) as producer:
        await _keep(producer, topic, records, partition)


async def put_in_force(
    topic: ControlsTopic, records: Sequence[Stored], controls: Sequence[Control], logs: Sequence[str]
) -> dict[int, int]:
    """Write `records` and `controls` to `controls`, then `controls` to every partition of the topics `logs`.

    `records`: of the rule sets that `controls` name, see `rule_set_records`. Returns the offset of the first control in
    each partition of the first log. Raises `NoTopicError`, before anything is written, and `KafkaError`.
    """
    topics = await topics_of(topic.brokers)
    for log in logs:
        if not topics.get(log):
            raise NoTopicError(log)
    async with _producer(topic) as producer:
        await _keep(producer, topic, records)
        await _keep(producer, topic, controls)
        offsets = [await _write(producer, log, topics[log], controls, topic.secrets) for log in logs]
    return offsets[0]


async def bring_lists_along(topic: ControlsTopic, log: str) -> None:
    """Write all list entries, removals too, to a log in which a new state version is about to decide.

    Earlier versions may have decided in another log, and this log's entries may be out of date. Returns once no entry
    has changed meanwhile; later entries are written to this log as well. Raises `NoTopicError`, `StalledError`,
    `KafkaError`.
    """
    written: dict[tuple[str, str], ListEntry] = {}
    while True:
        entries = (await read_controls(topic)).entries
        new = [entry for key, entry in entries.items() if written.get(key) != entry]
        if not new:
            return
        async with _producer(topic) as producer:
            await _write(producer, log, await partitions_of(topic.brokers, log), new, topic.secrets)
        written = entries


async def _write(
    producer: AIOKafkaProducer,
    log: str,
    numbers: Sequence[int],
    controls: Sequence[Control],
    secrets: SigningSecrets | None,
) -> dict[int, int]:
    """Write `controls`, signed if there are `secrets`, to these partitions of the log; the offset of the first control
    in each."""
    values = [_encode(control) for control in controls]
    records = [(value, [CONTROL_HEADER, *([] if secrets is None else [secrets.header(value)])]) for value in values]
    offsets: dict[int, int] = {}
    for number in numbers:
        sent = [await producer.send(log, value, partition=number, headers=headers) for value, headers in records]
        offsets[number] = (await asyncio.gather(*sent))[0].offset
    return offsets


async def _keep(
    producer: AIOKafkaProducer, topic: ControlsTopic, records: Sequence[Stored], partition: int | None = None
) -> None:
    sent = [await producer.send(topic.name, _encode(record), record.key, partition) for record in records]
    await asyncio.gather(*sent)


def _producer(topic: ControlsTopic) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **topic.brokers.options(),
        acks="all",
        enable_idempotence=topic.idempotent,
        max_request_size=RECORD_BYTES_MAX,
        compression_type=compression_type(DEFAULT_CODEC),
    )
