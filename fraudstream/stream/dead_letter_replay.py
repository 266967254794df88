"""Dead letters read back, mended and sent to where they came from.

A replayed record goes to its original topic, under its original key and headers, to its original partition (an
account's memory is in one), with the header `replayed-from` beside. Replaying twice is harmless: payments are known by
their event_id. What still cannot be judged becomes a new dead letter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.contracts import DeadLetter
from fraudstream.contracts.headers import FEATURES_HEADER, SOURCE_HEADER
from fraudstream.kafka import Brokers
from fraudstream.kafka.partitions import partitions_of
from fraudstream.kafka.topic_reader import TopicReader

REPLAYED_FROM: Final = "replayed-from"  # "topic:partition:offset" of the dead letter
LETTERS_AT_ONCE: Final = 500

log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(DeadLetter).decode


class LogPosition(NamedTuple):
    """Where a dead letter stands in its topic; as text `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> LogPosition:
        """Raises `ValueError`.

        >>> str(LogPosition.parse("3:117"))
        '3:117'
        """
        partition, _, offset = text.partition(":")
        if not (partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"{text!r} is no position: write PARTITION:OFFSET, as `dead-letters list` shows it")
        return cls(int(partition), int(offset))


class StoredLetter(NamedTuple):
    position: LogPosition
    letter: DeadLetter

    @property
    def cut(self) -> bool:
        """Whether the letter holds only the beginning of its record."""
        return self.letter.value_bytes > len(self.letter.value)


class Mended(NamedTuple):
    """What to send in a letter's stead."""

    key: bytes | None
    value: bytes


class MendError(Exception):
    """This letter cannot be replayed; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotFoundError(Exception):
    """There is no such topic or letter."""


class Skipped(NamedTuple):
    position: LogPosition
    sentence: str


class ReplayResult(NamedTuple):
    replayed: int
    skipped: list[Skipped]


Mend = Callable[[StoredLetter], Awaitable[Mended]]


class DeadLetterLog:
    """The topic of dead letters, for reading."""

    def __init__(self, brokers: Brokers, topic: str, fetch_wait_ms: int = 50) -> None:
        self.topic = topic
        self._brokers = brokers
        self._fetch_wait_ms = fetch_wait_ms

    async def letters(self) -> AsyncIterator[StoredLetter]:
        """Every letter that stands in the topic now, partition by partition, in order.

        Letters that come meanwhile, such as those of a replay, are not read. Raises `NotFoundError` if there is no such
        topic, and `StalledError`.
        """
        partitions = await self._partitions()
        async with self._reader() as reader:
            for partition in partitions:
                async for records in reader.whole(self.topic, partition, chunk_records=LETTERS_AT_ONCE):
                    for record in records:
                        if record.value is None:
                            continue
                        position = LogPosition(partition, record.offset)
                        try:
                            letter = _decode(record.value)
                        except msgspec.MsgspecError as error:
                            log.warning("what stands at %s of %s is no dead letter: %s", position, self.topic, error)
                            continue
                        yield StoredLetter(position, letter)

    async def letter(self, position: LogPosition) -> StoredLetter:
        """The letter at a place. Raises `NotFoundError` if none stands there."""
        nothing = NotFoundError(f"no dead letter at {position} of {self.topic}")
        if position.partition not in await self._partitions():
            raise nothing
        async with self._reader() as reader:
            begin, end = await reader.extent(self.topic, position.partition)
            if not begin <= position.offset < end:
                raise nothing
            async for records in reader.forward(
                self.topic, position.partition, position.offset, position.offset + 1, chunk_records=1
            ):
                if records[0].value is None:
                    raise nothing
                try:
                    return StoredLetter(position, _decode(records[0].value))
                except msgspec.MsgspecError as error:
                    raise NotFoundError(f"the record at {position} is not a dead letter: {error}") from error
        raise nothing

    def _reader(self) -> TopicReader:
        return TopicReader(self._brokers, committed_only=False, fetch_wait_ms=self._fetch_wait_ms)

    async def _partitions(self) -> list[int]:
        partitions = await partitions_of(self._brokers, self.topic)
        if not partitions:
            hidden = f", or {self._brokers.user} may not DESCRIBE it" if self._brokers.guarded else ""
            raise NotFoundError(f"there is no topic {self.topic}{hidden}")
        return partitions


async def replay(brokers: Brokers, topic: str, letters: AsyncIterator[StoredLetter], mend: Mend) -> ReplayResult:
    """Mend and send letters of `topic`, and wait until they are durable. Those that cannot be mended are skipped and
    told."""
    replayed, skipped, sent = 0, list[Skipped](), list[Any]()
    producer = AIOKafkaProducer(**brokers.options(), acks="all")
    try:
        await producer.start()
        async for stored in letters:
            try:
                if stored.letter.reason == "control":
                    raise MendError("a control counts for what stands behind it: give its command again.")
                if _was_forwarded(stored.letter):
                    raise MendError(
                        f"it stood between stages, in {stored.letter.topic}, which drops what comes again: publish its "
                        "payment again, to the log of payments."
                    )
                mended = await mend(stored)
            except MendError as error:
                skipped.append(Skipped(stored.position, error.sentence))
                continue
            letter = stored.letter
            known = letter.partition in await producer.partitions_for(letter.topic)
            headers = [header for header in letter.headers if header[0] != REPLAYED_FROM]
            sent.append(
                await producer.send(
                    letter.topic,
                    mended.value,
                    key=mended.key,
                    partition=letter.partition if known and mended.key == letter.key else None,
                    headers=[*headers, (REPLAYED_FROM, f"{topic}:{stored.position}".encode())],
                )
            )
            replayed += 1
            if len(sent) == LETTERS_AT_ONCE:
                await asyncio.gather(*sent)
                sent.clear()
        await asyncio.gather(*sent)
    finally:  # also where it did not start
        await producer.stop()
    return ReplayResult(replayed, skipped)


def _was_forwarded(letter: DeadLetter) -> bool:
    """Whether a stage handed the record on to the next one."""
    return {SOURCE_HEADER, FEATURES_HEADER} <= {name for name, _ in letter.headers}


async def as_it_is(stored: StoredLetter) -> Mended:
    """The record as it was: for faults that were ours, or the clock's."""
    if stored.cut:
        raise MendError(f"only {len(stored.letter.value)} of its {stored.letter.value_bytes} bytes are here.")
    return Mended(stored.letter.key, stored.letter.value)


def with_value(value: bytes) -> Mend:
    """These bytes in place of the record's."""

    async def mend(stored: StoredLetter) -> Mended:
        return Mended(stored.letter.key, value)

    return mend


def with_command(command: list[str]) -> Mend:
    """What the command writes when it reads the record's bytes; a letter on which it fails is skipped."""

    async def mend(stored: StoredLetter) -> Mended:
        before = await as_it_is(stored)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        value, complaint = await process.communicate(before.value)
        if process.returncode != 0:
            said = complaint.decode(errors="replace").strip().splitlines()
            raise MendError(f"{command[0]} ended with {process.returncode}{': ' + said[-1] if said else ''}.")
        return Mended(before.key, value)

    return mend


class _Account(msgspec.Struct):
    account_id: str


def keyed_by_account(mend: Mend) -> Mend:
    """The same, under the account_id that the mended record names: for letters whose key was wrong."""

    async def rekeyed(stored: StoredLetter) -> Mended:
        mended = await mend(stored)
        try:
            return Mended(msgspec.json.decode(mended.value, type=_Account).account_id.encode(), mended.value)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise MendError(f"it names no account_id: {error}.") from error

    return rekeyed
