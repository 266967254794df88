"""Removes files that no case lists from the evidence store: detached ones, those of cases that have left or were
erased, and those whose action was refused.

A file is stored before the action that adds it is published, and the action may wait for a case agent. So a file
that was taken lately is left, unless its case is erased.

The topic `cases` is read from its start: of each case only the list of files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final, NamedTuple

import msgspec

from fraudstream.cases.settings import AgentSettings
from fraudstream.contracts import Case
from fraudstream.contracts.case import POSITION_KEY
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.evidence.store import EvidenceStore
from fraudstream.kafka.topic_reader import TopicReader
from fraudstream.operations.errors import OperationError

CHUNK_RECORDS: Final = 500
KEPT_MS: Final = 7 * 24 * 3600 * 1000  # how long a file is kept that no case lists


class _Digest(msgspec.Struct):
    sha256: str


class _Files(msgspec.Struct):
    """What is read of a case."""

    files: tuple[_Digest, ...] = ()


_decode = msgspec.json.Decoder(_Files).decode


class ListedFiles(NamedTuple):
    """The digests that cases list. `records`: how many records of the topic say so."""

    digests: frozenset[str]
    records: int


class UnreadableCaseError(OperationError):
    """A record of the topic is not a case, so it is unknown which files are listed."""

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        super().__init__(
            f"{topic}-{partition}: offset {offset} is not a case, so no file can be removed: it may list one."
        )


async def listed_files(settings: AgentSettings, without: Collection[str] = ()) -> ListedFiles:
    """The files that the cases of the topic list now. `without`: ids of cases that do not count.

    Raises `UnreadableCaseError`, `NoTopicError`, `StalledError`, aiokafka's errors."""
    digests, records = set[str](), 0
    async with TopicReader(settings.brokers, committed_only=settings.fenced) as reader:
        for partition in await reader.partitions(settings.cases_topic):
            by_case: dict[bytes, tuple[str, ...]] = {}
            begin, end = await reader.extent(settings.cases_topic, partition, high_watermark=True)
            async for chunk in reader.forward(settings.cases_topic, partition, begin, end, chunk_records=CHUNK_RECORDS):
                for record in chunk:
                    records += 1
                    if record.key == POSITION_KEY:
                        continue
                    try:
                        files = _decode(record.value).files if record.value is not None else ()
                    except UNDECODABLE as error:
                        raise UnreadableCaseError(settings.cases_topic, partition, record.offset) from error
                    by_case.pop(record.key or b"", None)
                    if files:
                        by_case[record.key or b""] = tuple(file.sha256 for file in files)
            digests.update(
                sha256
                for case_id, files in by_case.items()
                if case_id.decode(errors="replace") not in without
                for sha256 in files
            )
    return ListedFiles(frozenset(digests), records)


async def remove_unlisted(settings: AgentSettings, store: EvidenceStore, now_ms: int) -> int:
    """Remove files that were taken more than `KEPT_MS` ago and that no case lists; how many there were.

    An empty topic removes nothing: it is not the one that the files belong to. Raises as `listed_files`, and `OSError`.
    """
    before_ms = now_ms - KEPT_MS
    await asyncio.to_thread(store.remove_abandoned, before_ms)
    held = await asyncio.to_thread(store.held)
    old = {sha256 for sha256, taken_ms in held.items() if taken_ms < before_ms}
    if not old:
        return 0
    listed = await listed_files(settings)
    if not listed.records:
        return 0
    return await asyncio.to_thread(store.remove, sorted(old - listed.digests), before_ms)


async def remove_files_of(settings: AgentSettings, store: EvidenceStore, erased: Collection[Case]) -> int:
    """Remove the files of cases that are erased, but for those that another case lists; how many there were. Raises
    as `listed_files`, and `OSError`."""
    digests = {file.sha256 for case in erased for file in case.files}
    if not digests:
        return 0
    listed = await listed_files(settings, {case.case_id for case in erased})
    return await asyncio.to_thread(store.remove, sorted(digests - listed.digests))
