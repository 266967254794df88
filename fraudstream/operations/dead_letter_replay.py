"""Replays dead letters: corrects their records and sends them to the topic they came from.

A replayed record goes to its original topic, under its original key and headers, to its original partition (an
account's state is in one; for the reason `partition`, to that of its key), with the header `replayed-from` added.
Replaying twice is harmless: a payment counts once by its event_id. A record that still cannot be decided becomes a new
dead letter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Literal, NamedTuple

from aiokafka import AIOKafkaProducer

from fraudstream.contracts import DeadLetter
from fraudstream.contracts.headers import (
    FEATURES_HEADER,
    LABEL_HEADER,
    REPARTITIONED_HEADER,
    REPLAYED_BY_HEADER,
    REPLAYED_FROM_HEADER,
    REPLAYED_HEADER,
    SOURCE_HEADER,
    VERSION_HEADER,
)
from fraudstream.contracts.record_signature import SIGNATURE_HEADER, SigningSecrets
from fraudstream.engine.partitioners import Partitioner
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.operations.dead_letters import LETTERS_AT_ONCE, LetterPosition, StoredLetter
from fraudstream.operations.errors import OperationError
from fraudstream.operations.record_partitioner import record_partitioner

# Those of a copy of a misplaced record, which would be dropped as a repeat of that copy.
_NOT_KEPT: Final = (REPLAYED_FROM_HEADER, REPARTITIONED_HEADER, VERSION_HEADER)


class CorrectedRecord(NamedTuple):
    """The record that is sent in place of a letter's record."""

    key: bytes | None
    value: bytes


class NotReplayableError(OperationError):
    """This letter cannot be replayed. The letter is skipped, with this sentence."""


class SkippedLetter(NamedTuple):
    """A letter that was not replayed, and why."""

    position: LetterPosition
    sentence: str


class ReplayResult(NamedTuple):
    """How many letters were replayed, and those that were not."""

    replayed: int
    skipped: list[SkippedLetter]


Correction = Callable[[StoredLetter], Awaitable[CorrectedRecord]]  # raises `NotReplayableError`


async def replay(
    brokers: Brokers,
    topic: str,
    letters: AsyncIterator[StoredLetter],
    correction: Correction,
    *,
    by: str,
    partitioner: Partitioner | Literal["any"] = "murmur2",
    label_secrets: SigningSecrets | None = None,
) -> ReplayResult:
    """Correct and send `letters` of `topic`, wait until they are durable, and mark them as replayed.

    `by`: who replays, for the marks. `partitioner`: declared for all publishers. `label_secrets`: sign labels again,
    whose value may be corrected. Letters that cannot be replayed are skipped, and named in the result. Raises
    what aiokafka raises.
    """
    replayed, skipped, sent = 0, list[SkippedLetter](), list[asyncio.Task[None]]()
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
            acknowledged = await _send(producer, topic, stored, corrected, label_secrets)
            sent.append(asyncio.ensure_future(_mark_when_durable(producer, topic, stored, acknowledged, by)))
            replayed += 1
            if len(sent) == LETTERS_AT_ONCE:
                await asyncio.gather(*sent)
                sent.clear()
        await asyncio.gather(*sent)
    finally:  # also where it did not start
        await close(producer)
    return ReplayResult(replayed, skipped)


async def _send(
    producer: AIOKafkaProducer,
    topic: str,
    stored: StoredLetter,
    corrected: CorrectedRecord,
    label_secrets: SigningSecrets | None,
) -> Awaitable[Any]:
    """Send a record to where its letter came from; awaiting the result waits until it is durable."""
    letter = stored.letter
    known = letter.partition in await producer.partitions_for(letter.topic)
    stays = known and corrected.key == letter.key and letter.reason != "partition"
    headers = [header for header in letter.headers if header[0] not in _NOT_KEPT]
    if label_secrets is not None and LABEL_HEADER in headers:
        headers = [header for header in headers if header[0] != SIGNATURE_HEADER]
        headers.append(label_secrets.header(corrected.value))
    sent: Awaitable[Any] = await producer.send(
        letter.topic,
        corrected.value,
        key=corrected.key,
        partition=letter.partition if stays else None,
        headers=[*headers, (REPLAYED_FROM_HEADER, f"{topic}:{stored.position}".encode())],
    )
    return sent


async def _mark_when_durable(
    producer: AIOKafkaProducer, topic: str, stored: StoredLetter, acknowledged: Awaitable[Any], by: str
) -> None:
    await acknowledged
    position = stored.position
    headers = [(REPLAYED_HEADER, str(position).encode()), (REPLAYED_BY_HEADER, by.encode())]
    await producer.send_and_wait(topic, None, key=stored.letter.key, partition=position.partition, headers=headers)


def _check_replayable(letter: DeadLetter) -> None:
    """Raises `NotReplayableError`."""
    if letter.reason == "webhook":
        raise NotReplayableError("it is the body of a webhook: send it to its endpoint (docs/webhooks.md).")
    if letter.reason == "control":
        raise NotReplayableError("a control applies to the payments after it: run its command again.")
    if letter.reason == "signature":
        raise NotReplayableError("its signature is missing or wrong: whoever may write it publishes it again, signed.")
    if {SOURCE_HEADER, FEATURES_HEADER} <= {name for name, _ in letter.headers}:  # a stage forwarded it
        raise NotReplayableError(
            f"it was forwarded between stages, in {letter.topic}, which drops repeats: publish its payment again, to "
            "the log of payments."
        )
