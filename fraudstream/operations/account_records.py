"""Finds the records of topics that hold an account's id, wherever in key or value it stands."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from fraudstream.kafka import Brokers
from fraudstream.kafka.topic_reader import NoTopicError, ReportProgress, TopicReader

# text: as JSON; letters: JSON that also holds records in base64; rows: bytes of the worker's state.
Content = Literal["text", "letters", "rows"]
CHUNK_RECORDS: Final = 1_000
_BASE64: Final = re.compile(rb'"([A-Za-z0-9+/]{8,}={0,2})"')


class SearchedTopic(NamedTuple):
    """A topic to look through."""

    name: str
    content: Content = "text"


class AccountRecords(NamedTuple):
    """The records of a topic that hold the id. `records`: all of them; `current`: those that are the newest of their
    key, which compaction keeps. `newest_ms`: the newest timestamp of them, 0 if there are none. `replaced_ms`: when the
    newest of them was replaced by a later record of its key, 0 if none was. `read`: how many records were looked at;
    None: there is no such topic."""

    topic: str
    records: int = 0
    current: int = 0
    newest_ms: int = 0
    replaced_ms: int = 0
    read: int | None = None


def id_finder(account_id: str, content: Content = "text") -> Callable[[bytes], bool]:
    """Says whether bytes hold the id. In text it must stand alone: `acc-1` is not found in `acc-12`.

    >>> finder = id_finder("acc-1")
    >>> finder(b'{"note": "acc-1 has called"}'), finder(b'{"account_id": "acc-12"}')
    (True, False)
    """
    forms = {account_id.encode(), json.dumps(account_id)[1:-1].encode()}
    if content == "rows":
        return lambda value: any(form in value for form in forms)
    wholes = [(form, re.compile(rb"(?<![A-Za-z0-9_-])" + re.escape(form) + rb"(?![A-Za-z0-9_-])")) for form in forms]

    def in_text(value: bytes) -> bool:
        return any(form in value and whole.search(value) is not None for form, whole in wholes)

    if content == "text":
        return in_text
    return lambda value: in_text(value) or any(in_text(_decoded(text)) for text in _BASE64.findall(value))


async def account_records(
    brokers: Brokers,
    topics: Sequence[SearchedTopic],
    account_id: str,
    *,
    committed_only: bool,
    progress: ReportProgress | None = None,
) -> list[AccountRecords]:
    """What each of `topics` holds of an account. Reads every record of them. Raises `StalledError`, and aiokafka's
    errors."""
    found = []
    async with TopicReader(brokers, committed_only=committed_only, progress=progress) as reader:
        for topic in topics:
            try:
                found.append(await _of_topic(reader, topic, id_finder(account_id, topic.content)))
            except NoTopicError:
                found.append(AccountRecords(topic.name))
    return found


async def _of_topic(reader: TopicReader, topic: SearchedTopic, finder: Callable[[bytes], bool]) -> AccountRecords:
    records = newest_ms = replaced_ms = read = 0
    current: dict[tuple[int, bytes | None], int] = {}
    for partition in await reader.partitions(topic.name):
        async for chunk in reader.whole(topic.name, partition, chunk_records=CHUNK_RECORDS):
            for record in chunk:
                read += 1
                key = (partition, record.key)
                has_id = (record.value is not None and finder(record.value)) or (
                    record.key is not None and finder(record.key)
                )
                if has_id and record.value is not None:
                    records += 1
                    newest_ms = max(newest_ms, record.timestamp)
                    current[key] = record.timestamp
                elif key in current:
                    del current[key]
                    replaced_ms = max(replaced_ms, record.timestamp)
    return AccountRecords(topic.name, records, len(current), newest_ms, replaced_ms, read)


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
