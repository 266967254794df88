"""Dead letters: read, corrected, and replayed, which means sent to the topic they came from.

A replayed record goes to its original topic, under its original key and headers, to its original partition (an
account's state is in one; for the reason `partition`, to that of its key), with the header `replayed-from` added.
Replaying twice is harmless: a payment counts once by its event_id. A record that still cannot be decided becomes a new
dead letter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Literal, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.contracts import DeadLetter
from fraudstream.contracts.headers import FEATURES_HEADER, REPARTITIONED_HEADER, SOURCE_HEADER, VERSION_HEADER
from fraudstream.engine.partitioners import Partitioner
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.topic_reader import TopicReader
from fraudstream.operations.errors import InvalidValueError, OperationError
from fraudstream.operations.record_partitioner import record_partitioner

REPLAYED_FROM: Final = "replayed-from"  # header: "topic:partition:offset" of the dead letter
# Those of a copy of a misplaced record, which would be dropped as a repeat of that copy.
_NOT_KEPT: Final = (REPLAYED_FROM, REPARTITIONED_HEADER, VERSION_HEADER)
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


class CorrectedRecord(NamedTuple):
    """The record that is sent in place of a letter's record."""

    key: bytes | None
    value: bytes


class NotReplayableError(OperationError):
    """This letter cannot be replayed. The letter is skipped, with this sentence."""


class NoDeadLetterError(OperationError):
    """There is no topic `topic`, or no dead letter at `position` of it (None: no topic)."""

    def __init__(self, topic: str, position: LetterPosition | None, sentence: str) -> None:
        super().__init__(sentence)
        self.topic = topic
        self.position = position


class SkippedLetter(NamedTuple):
    """A letter that was not replayed, and why."""

    position: LetterPosition
    sentence: str


class ReplayResult(NamedTuple):
    """How many letters were replayed, and those that were not."""

    replayed: int
    skipped: list[SkippedLetter]


Correction = Callable[[StoredLetter], Awaitable[CorrectedRecord]]  # raises `NotReplayableError`


class DeadLetterLog:
    """The topic of dead letters, for reading. `fetch_wait_ms`: longest wait of a fetch."""

    def __init__(self, brokers: Brokers, topic: str, fetch_wait_ms: int = 50) -> None:
        self.topic = topic
        self._brokers = brokers
        self._fetch_wait_ms = fetch_wait_ms

    async def letters(self) -> AsyncIterator[StoredLetter]:
        """Every letter that is in the topic now, partition by partition, in order.

        Letters that arrive meanwhile, such as those of a replay, are not read. Records that are not dead letters are
        logged and skipped. Raises `NoDeadLetterError` if there is no such topic, and `StalledError`.
        """
        partitions = await self._partitions()
        async with self._reader() as reader:
            for partition in partitions:
                async for records in reader.whole(self.topic, partition, chunk_records=LETTERS_AT_ONCE):
                    for record in records:
                        if record.value is None:
                            continue
                        position = LetterPosition(partition, record.offset)
                        try:
                            letter = _decode(record.value)
                        except msgspec.MsgspecError as error:
                            log.warning("the record at %s of %s is not a dead letter: %s", position, self.topic, error)
                            continue
                        yield StoredLetter(position, letter)

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
        except msgspec.MsgspecError as error:
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


async def replay(
    brokers: Brokers,
    topic: str,
    letters: AsyncIterator[StoredLetter],
    correction: Correction,
    partitioner: Partitioner | Literal["any"] = "murmur2",
) -> ReplayResult:
    """Correct and send `letters` of `topic`, and wait until they are durable. Letters that cannot be replayed are
    skipped, and named in the result. `partitioner`: declared for all publishers. Raises what aiokafka raises."""
    replayed, skipped, sent = 0, list[SkippedLetter](), list[Awaitable[Any]]()
    producer = AIOKafkaProducer(**brokers.options(), acks="all", partitioner=record_partitioner(partitioner))
    try:
        await producer.start()
        async for stored in letters:
            try:
                _check_replayable(stored.letter)
                corrected = await correction(stored)
            except NotReplayableError as error:
                skipped.append(SkippedLetter(stored.position, error.sentence))
                continue
            sent.append(await _send(producer, topic, stored, corrected))
            replayed += 1
            if len(sent) == LETTERS_AT_ONCE:
                await asyncio.gather(*sent)
                sent.clear()
        await asyncio.gather(*sent)
    finally:  # also where it did not start
        await close(producer)
    return ReplayResult(replayed, skipped)


async def _send(
    producer: AIOKafkaProducer, topic: str, stored: StoredLetter, corrected: CorrectedRecord
) -> Awaitable[Any]:
    """Send a record to where its letter came from; awaiting the result waits until it is durable."""
    letter = stored.letter
    known = letter.partition in await producer.partitions_for(letter.topic)
    stays = known and corrected.key == letter.key and letter.reason != "partition"
    headers = [header for header in letter.headers if header[0] not in _NOT_KEPT]
    sent: Awaitable[Any] = await producer.send(
        letter.topic,
        corrected.value,
        key=corrected.key,
        partition=letter.partition if stays else None,
        headers=[*headers, (REPLAYED_FROM, f"{topic}:{stored.position}".encode())],
    )
    return sent


def _check_replayable(letter: DeadLetter) -> None:
    """Raises `NotReplayableError`."""
    if letter.reason == "control":
        raise NotReplayableError("a control applies to the payments after it: run its command again.")
    if {SOURCE_HEADER, FEATURES_HEADER} <= {name for name, _ in letter.headers}:  # a stage forwarded it
        raise NotReplayableError(
            f"it was forwarded between stages, in {letter.topic}, which drops repeats: publish its payment again, to "
            "the log of payments."
        )
