"""The one reader of the topic `controls`: from the beginning to its current end, without a group.

Every read is bounded in time: `StalledError` is raised where brokers answer but send nothing, Kafka's errors where they
do not answer. Invalid controls are ignored: others may write to the topic, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Container, Iterable
from contextlib import aclosing
from typing import Final, NamedTuple

import msgspec

from fraudstream.contracts.artefact import artefact_content
from fraudstream.contracts.control import (
    ARTEFACT_KEY_PREFIX,
    IDENTIFIER_SECRET_KEY_PREFIX,
    ListEntry,
    RuleSwitch,
    Stored,
    StoredArtefact,
    StoredIdentifierSecret,
    StoredRuleSet,
    artefact_key_prefix,
)
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.controls.topic import ControlsTopic
from fraudstream.kafka.topic_reader import TopicReader

RECORDS_AT_ONCE: Final = 2_000

_decode = msgspec.json.Decoder(Stored).decode


class Controls(NamedTuple):
    """The content of `controls`, without artefacts.

    `rule_sets`: the files of each rule set by its digest. `entries`: the newest of each list and value, removed ones
    too. `switch`: the last rule-set switch, if there was one. `switches`: those that compaction has not removed yet,
    the oldest first.
    """

    rule_sets: dict[str, dict[str, str]]
    entries: dict[tuple[str, str], ListEntry]
    switch: RuleSwitch | None
    switches: tuple[RuleSwitch, ...] = ()


async def read_controls(topic: ControlsTopic) -> Controls:
    """Everything that `controls` holds now, without artefacts. Raises `NoTopicError`, `StalledError`, `KafkaError`."""
    rule_sets: dict[str, dict[str, str]] = {}
    entries: dict[tuple[str, str], ListEntry] = {}
    switches: list[RuleSwitch] = []
    async for record in _records(topic, lambda key: not key.startswith(ARTEFACT_KEY_PREFIX)):
        match record:
            case StoredRuleSet():
                rule_sets[record.rule_set] = record.files
            case ListEntry():
                entries[record.list, record.value] = record
            case RuleSwitch():
                switches.append(record)
            case _:
                pass
    return Controls(rule_sets, entries, switches[-1] if switches else None, tuple(switches))


async def read_artefacts(topic: ControlsTopic, digests: Iterable[str]) -> dict[str, bytes]:
    """Those of these artefacts that `controls` holds completely, by digest; their bytes are verified.

    Raises `NoTopicError`, `StalledError`, `KafkaError`. Nothing is read if `digests` is empty.
    """
    prefixes = tuple(artefact_key_prefix(digest) for digest in digests)
    if not prefixes:
        return {}
    parts = defaultdict[str, list[StoredArtefact]](list)
    async for record in _records(topic, lambda key: key.startswith(prefixes)):
        if isinstance(record, StoredArtefact):
            parts[record.artefact].append(record)
    contents = {digest: artefact_content(of_artefact) for digest, of_artefact in parts.items()}
    return {digest: content for digest, content in contents.items() if content is not None}


async def read_entries(topic: ControlsTopic, keys: Container[bytes]) -> list[ListEntry]:
    """The entries with these record keys, in order: the newest of each, and earlier ones not yet compacted away.

    Raises `NoTopicError`, `StalledError`, `KafkaError`.
    """
    return [record async for record in _records(topic, lambda key: key in keys) if isinstance(record, ListEntry)]


async def read_first_secret(topic: ControlsTopic) -> StoredIdentifierSecret | None:
    """The first identifier secret on `controls`; None if there is none. Reads no further.

    Raises `NoTopicError`, `StalledError`, `KafkaError`.
    """
    async with aclosing(_records(topic, lambda key: key.startswith(IDENTIFIER_SECRET_KEY_PREFIX))) as records:
        async for record in records:
            if isinstance(record, StoredIdentifierSecret):
                return record
    return None


async def _records(topic: ControlsTopic, wanted: Callable[[bytes], bool]) -> AsyncGenerator[Stored]:
    """The valid records whose key is `wanted`, in order. Values of other keys are not decoded."""
    async with TopicReader(topic.brokers, committed_only=False, fetch_wait_ms=topic.fetch_wait_ms) as reader:
        for number in await reader.partitions(topic.name):
            async for records in reader.whole(topic.name, number, chunk_records=RECORDS_AT_ONCE):
                for record in records:
                    if wanted(record.key or b"") and (stored := _decoded(record.value)) is not None:
                        yield stored


def _decoded(value: bytes | None) -> Stored | None:
    try:
        stored: Stored = _decode(value or b"")
        return stored
    except UNDECODABLE:
        return None
