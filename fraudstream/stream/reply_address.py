"""Where the publisher of a payment waits for its answer: read from the record's headers.

The headers are those of Spring's `ReplyingKafkaTemplate`, so that its callers need no code of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from fraudstream.contracts.headers import CORRELATION_HEADER, REPLY_PARTITION_HEADER, REPLY_TOPIC_HEADER

TOPIC_BYTES_MAX: Final = 249  # Kafka's own limit
PARTITION_BYTES: Final = 4
CORRELATION_BYTES_MAX: Final = 256  # Spring's are 16 bytes
_BYTES_MAX: Final = {
    REPLY_TOPIC_HEADER: TOPIC_BYTES_MAX,
    REPLY_PARTITION_HEADER: PARTITION_BYTES,
    CORRELATION_HEADER: CORRELATION_BYTES_MAX,
}


class ReplyAddress(NamedTuple):
    """`partition`: None if any will do. `correlation`: what the answer carries, so that its reader knows the request.
    Two answers with the same `topic` and `partition` go to the same place."""

    topic: str
    partition: int | None
    correlation: bytes


def reply_address(headers: Sequence[tuple[str, bytes]]) -> ReplyAddress | None:
    """The address in the headers of a record; None if they have none that can be used. Of several headers of one name
    the last counts.

    >>> reply_address([("kafka_replyTopic", b"replies"), ("kafka_correlationId", b"17")])
    ReplyAddress(topic='replies', partition=None, correlation=b'17')
    """
    found = dict(headers)
    topic, correlation = found.get(REPLY_TOPIC_HEADER, b""), found.get(CORRELATION_HEADER, b"")
    if not 0 < len(topic) <= TOPIC_BYTES_MAX or not topic.isascii():
        return None
    if not 0 < len(correlation) <= CORRELATION_BYTES_MAX:
        return None
    number = found.get(REPLY_PARTITION_HEADER)
    if number is not None and len(number) != PARTITION_BYTES:
        return None
    partition = None if number is None else int.from_bytes(number, "big", signed=True)
    return ReplyAddress(topic.decode(), partition, correlation)


def reply_headers(headers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Those of a record's headers that a stage forwards, so that the last stage can answer; none if they are too
    large to be an address."""
    kept = [(name, value) for name, value in headers if name in _BYTES_MAX]
    return [] if any(len(value) > _BYTES_MAX[name] for name, value in kept) else list(dict(kept).items())
