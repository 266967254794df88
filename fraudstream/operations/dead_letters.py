"""The topic of dead letters: the letters in it, and which of them were replayed.

A replay leaves a mark in the letter's partition: a record without a value, whose header `replayed` names the letter.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import msgspec
from aiokafka import ConsumerRecord

from fraudstream.contracts import DeadLetter
from fraudstream.contracts.headers import REPLAYED_BY_HEADER, REPLAYED_HEADER
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka import Brokers
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.topic_reader import TopicReader
from fraudstream.operations.errors import InvalidValueError, OperationError

LETTERS_AT_ONCE: Final = 500

log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(DeadLetter).decode


class LetterPosition(NamedTuple):
    """Where a dead letter is in its topic; as text `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> LetterPosition:
        """Raises `InvalidValueError`.

        >>> str(LetterPosition.parse("3:117"))
        '3:117'
        """
        partition, _, offset = text.partition(":")
        if not (partition.isdecimal() and offset.isdecimal()):
            raise InvalidValueError(
                "position",
                text,
                f"{text[:40]!r} is not a position: write PARTITION:OFFSET, as `dead-letters list` shows it.",
            )
        return cls(int(partition), int(offset))


class StoredLetter(NamedTuple):
    """A dead letter and where it is."""

    position: LetterPosition
    letter: DeadLetter

    @property
    def cut(self) -> bool:
        """Whether the letter holds only the beginning of its record."""
        return self.letter.value_bytes > len(self.letter.value)


class ReplayMark(NamedTuple):
    """That a letter was replayed: when, ms since the epoch, UTC, and by whom."""

    position: LetterPosition
    at_ms: int
    by: str


class NoDeadLetterError(OperationError):
    """There is no topic `topic`, or no dead letter at `position` of it (None: no topic)."""

    def __init__(self, topic: str, position: LetterPosition | None, sentence: str) -> None:
        super().__init__(sentence)
        self.topic = topic
        self.position = position


class DeadLetterLog:
    """The topic of dead letters, for reading. `fetch_wait_ms`: longest wait of a fetch."""

    def __init__(self, brokers: Brokers, topic: str, fetch_wait_ms: int = 50) -> None:
        self.topic = topic
        self._brokers = brokers
        self._fetch_wait_ms = fetch_wait_ms

    async def letters(self) -> AsyncIterator[StoredLetter]:
        """Every letter that is in the topic now; as `entries` without the marks."""
        async for entry in self.entries():
            if isinstance(entry, StoredLetter):
                yield entry

    async def entries(self) -> AsyncIterator[StoredLetter | ReplayMark]:
        """Every letter and every mark that is in the topic now, partition by partition, in order.

        A mark comes after its letter. What arrives meanwhile, such as the letters of a replay, is not read. Other
        records are logged and skipped. Raises `NoDeadLetterError` if there is no such topic, and `StalledError`.
        """
        partitions = await self._partitions()
        async with self._reader() as reader:
            for partition in partitions:
                async for records in reader.whole(self.topic, partition, chunk_records=LETTERS_AT_ONCE):
                    for record in records:
                        if (entry := self._entry(record)) is not None:
                            yield entry

    def _entry(self, record: ConsumerRecord[bytes, bytes]) -> StoredLetter | ReplayMark | None:
        if record.value is None:
            return _mark(record)
        position = LetterPosition(record.partition, record.offset)
        try:
            return StoredLetter(position, _decode(record.value))
        except UNDECODABLE as error:
            log.warning("the record at %s of %s is not a dead letter: %s", position, self.topic, error)
            return None

    async def letter(self, position: LetterPosition) -> StoredLetter:
        """The letter at a position. Raises `NoDeadLetterError` if there is none, and `StalledError`."""
        missing = NoDeadLetterError(self.topic, position, f"no dead letter at {position} of {self.topic}.")
        if position.partition not in await self._partitions():
            raise missing
        async with self._reader() as reader:
            begin, end = await reader.extent(self.topic, position.partition)
            if not begin <= position.offset < end:
                raise missing
            one = reader.forward(self.topic, position.partition, position.offset, position.offset + 1, chunk_records=1)
            async for records in one:
                if records[0].value is None:
                    raise missing
                return StoredLetter(position, self._decoded(records[0].value, position))
        raise missing

    def _decoded(self, value: bytes, position: LetterPosition) -> DeadLetter:
        try:
            return _decode(value)
        except UNDECODABLE as error:
            raise NoDeadLetterError(
                self.topic, position, f"the record at {position} of {self.topic} is not a dead letter: {error}."
            ) from error

    def _reader(self) -> TopicReader:
        return TopicReader(self._brokers, committed_only=False, fetch_wait_ms=self._fetch_wait_ms)

    async def _partitions(self) -> list[int]:
        partitions = await partitions_of(self._brokers, self.topic)
        if not partitions:
            hidden = f", or {self._brokers.user} may not DESCRIBE it" if self._brokers.guarded else ""
            raise NoDeadLetterError(
                self.topic, None, f"dead letters at {self._brokers}: there is no topic {self.topic}{hidden}."
            )
        return partitions


def _mark(record: ConsumerRecord[bytes, bytes]) -> ReplayMark | None:
    """The mark in a record without a value; None if it holds none."""
    headers = dict(record.headers)
    try:
        position = LetterPosition.parse(headers[REPLAYED_HEADER].decode())
    except (KeyError, UnicodeDecodeError, InvalidValueError):
        return None
    return ReplayMark(position, record.timestamp, headers.get(REPLAYED_BY_HEADER, b"").decode(errors="replace"))
