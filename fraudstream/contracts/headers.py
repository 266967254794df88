"""The Kafka record headers used by fraudstream. A payment needs none: a record without a `type` header is a payment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TYPE_HEADER: Final = "type"  # kind of a record in the payments log, if it is not a payment
LABEL_HEADER: Final = (TYPE_HEADER, b"label")
CONTROL_HEADER: Final = (TYPE_HEADER, b"control")
SOURCE_HEADER: Final = (
    "source"  # "partition:offset" of the input record; readers drop records whose source is not higher
)
# Of a copy in the partition where its key belongs: of which record in the same topic, see `engine.copies`.
REPARTITIONED_HEADER: Final = "repartitioned"
RECORD_HEADER: Final = "record"  # of a decision `unjudged`: "topic:partition:offset" of the record that it answers
ORIGIN_HEADER: Final = "origin"  # of a single-stage alert: the partition of `payments` that holds its payment
FEATURES_HEADER: Final = "features"  # between stages: features computed so far, encoded by `engine.forwarded_features`
# Between stages: this record was read during a backfill, so this state version did not decide its payment.
BACKFILLED_HEADER: Final = ("backfilled", b"")
# Of a payment whose publisher waits for the answer, as Spring's ReplyingKafkaTemplate names them: the topic, and the
# partition (4 bytes, big-endian), to which the answer is to go, and what identifies the request in it.
REPLY_TOPIC_HEADER: Final = "kafka_replyTopic"
REPLY_PARTITION_HEADER: Final = "kafka_replyPartition"
CORRELATION_HEADER: Final = "kafka_correlationId"
REPLAYED_FROM_HEADER: Final = "replayed-from"  # of a replayed record: "topic:partition:offset" of its dead letter
REPLAYED_HEADER: Final = "replayed"  # in `dead-letters`, without a value: "partition:offset" of the letter replayed
REPLAYED_BY_HEADER: Final = "replayed-by"  # beside it: who replayed the letter
VERSION_HEADER: Final = "state-version"  # of an output record: the state version that wrote it, if not version 1

_DIGITS_MAX: Final = 18  # of a number in a header; publishers may write any header


def source_header(partition: int, offset: int) -> tuple[str, bytes]:
    """Header of an output record that names the partition and offset of its input record."""
    return (SOURCE_HEADER, b"%d:%d" % (partition, offset))


def record_header(topic: str, partition: int, offset: int) -> tuple[str, bytes]:
    """Header of a decision `unjudged` that names the record which it answers.

    Only the last stage adds `source` as well: offsets of two logs are not comparable, and a reader that drops repeats
    by the highest `source` would lose decisions.
    """
    return (RECORD_HEADER, f"{topic}:{partition}:{offset}".encode())


def record_of(value: bytes | None) -> tuple[str, int, int] | None:
    """Topic, partition and offset in the value of a `record` header; None if absent or malformed.

    >>> record_of(record_header("payments", 3, 17)[1]), record_of(b"3:17"), record_of(None)
    (('payments', 3, 17), None, None)
    """
    topic, *numbers = (value or b"").decode(errors="replace").rsplit(":", 2)
    if len(numbers) != 2 or not all(_is_number(number.encode()) for number in numbers):
        return None
    return (topic, int(numbers[0]), int(numbers[1]))


def version_header(state_version: int) -> tuple[str, bytes]:
    """Header of an output record that names the state version which wrote it."""
    return (VERSION_HEADER, b"%d" % state_version)


def version_of(headers: Mapping[str, bytes]) -> int:
    """State version in the headers of an output record; 1 if there is no such header or it is malformed.

    >>> version_of(dict([version_header(2)])), version_of({})
    (2, 1)
    """
    version = headers.get(VERSION_HEADER, b"")
    return int(version) if _is_number(version) else 1


def origin_header(partition: int) -> tuple[str, bytes]:
    """Header of a single-stage alert that names the partition of `payments` that holds its payment."""
    return (ORIGIN_HEADER, b"%d" % partition)


def source_of(value: bytes | None) -> tuple[str, int] | None:
    """Partition (as text) and offset in the value of a `source` header; None if absent or malformed.

    >>> source_of(b"3:17"), source_of(b"3"), source_of(None)
    (('3', 17), None, None)
    """
    partition, _, offset = (value or b"").partition(b":")
    return (partition.decode(), int(offset)) if _is_number(partition) and _is_number(offset) else None


def _is_number(text: bytes) -> bool:
    """Whether it is a decimal number that a signed integer of 64 bits holds."""
    return text.isdigit() and len(text) <= _DIGITS_MAX
