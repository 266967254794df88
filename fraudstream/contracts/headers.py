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
# Of a decision `unjudged`: the topic that `source` refers to, as any stage may send it.
SOURCE_TOPIC_HEADER: Final = "source-topic"
# "partition:offset" of the record in the same topic that this one is a copy of, in the partition where its key belongs.
REPARTITIONED_HEADER: Final = "repartitioned"
ORIGIN_HEADER: Final = "origin"  # of a single-stage alert: the partition of `payments` that holds its payment
FEATURES_HEADER: Final = "features"  # between stages: features computed so far, encoded by `engine.forwarded_features`
# Between stages: this record was read during a backfill, so this state version did not decide its payment.
BACKFILLED_HEADER: Final = ("backfilled", b"")
REPLAYED_FROM_HEADER: Final = "replayed-from"  # of a replayed record: "topic:partition:offset" of its dead letter
REPLAYED_HEADER: Final = "replayed"  # in `dead-letters`, without a value: "partition:offset" of the letter replayed
REPLAYED_BY_HEADER: Final = "replayed-by"  # beside it: who replayed the letter
VERSION_HEADER: Final = "state-version"  # of an output record: the state version that wrote it, if not version 1


def source_header(partition: int, offset: int) -> tuple[str, bytes]:
    """Header of an output record that names the partition and offset of its input record."""
    return (SOURCE_HEADER, b"%d:%d" % (partition, offset))


def repartitioned_header(partition: int, offset: int) -> tuple[str, bytes]:
    """Header of a copy that names the partition and offset of the record that was in the wrong partition."""
    return (REPARTITIONED_HEADER, b"%d:%d" % (partition, offset))


def version_header(state_version: int) -> tuple[str, bytes]:
    """Header of an output record that names the state version which wrote it."""
    return (VERSION_HEADER, b"%d" % state_version)


def version_of(headers: Mapping[str, bytes]) -> int:
    """State version in the headers of an output record; 1 if there is no such header or it is malformed.

    >>> version_of(dict([version_header(2)])), version_of({})
    (2, 1)
    """
    version = headers.get(VERSION_HEADER, b"")
    return int(version) if version.isdigit() else 1


def origin_header(partition: int) -> tuple[str, bytes]:
    """Header of a single-stage alert that names the partition of `payments` that holds its payment."""
    return (ORIGIN_HEADER, b"%d" % partition)


def source_of(value: bytes | None) -> tuple[str, int] | None:
    """Partition (as text) and offset in the value of a `source` header; None if absent or malformed.

    >>> source_of(b"3:17"), source_of(b"3"), source_of(None)
    (('3', 17), None, None)
    """
    partition, _, offset = (value or b"").partition(b":")
    return (partition.decode(), int(offset)) if partition.isdigit() and offset.isdigit() else None
