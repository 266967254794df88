"""The headers of our records. A record without them is a payment: publishers of payments need none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TYPE_HEADER: Final = "type"  # what a record of the log is, where it is no payment
LABEL_HEADER: Final = (TYPE_HEADER, b"label")
CONTROL_HEADER: Final = (TYPE_HEADER, b"control")
SOURCE_HEADER: Final = "source"  # "partition:offset" that this record answers: readers drop what is not higher
ORIGIN_HEADER: Final = "origin"  # of an alert of a single stage: the partition of `payments` where its payment stands
FEATURES_HEADER: Final = "features"  # between stages: what is known of the payment so far, packed by `engine.forwarded`
BACKFILLED_HEADER: Final = (
    "backfilled",
    b"",
)  # between stages: not decided by this state version, which is building then
VERSION_HEADER: Final = "state-version"  # of an answer: which state version gave it, if not the first


def source_header(partition: int, offset: int) -> tuple[str, bytes]:
    return (SOURCE_HEADER, b"%d:%d" % (partition, offset))


def version_header(state_version: int) -> tuple[str, bytes]:
    return (VERSION_HEADER, b"%d" % state_version)


def version_of(headers: Mapping[str, bytes]) -> int:
    """That of an answer's `version_header`, 1 without one.

    >>> version_of(dict([version_header(2)])), version_of({})
    (2, 1)
    """
    version = headers.get(VERSION_HEADER, b"")
    return int(version) if version.isdigit() else 1


def origin_header(partition: int) -> tuple[str, bytes]:
    return (ORIGIN_HEADER, b"%d" % partition)


def source_of(value: bytes | None) -> tuple[str, int] | None:
    """Partition and offset of a `source` header; None if it is none.

    >>> source_of(b"3:17"), source_of(b"3"), source_of(None)
    (('3', 17), None, None)
    """
    partition, _, offset = (value or b"").partition(b":")
    return (partition.decode(), int(offset)) if partition.isdigit() and offset.isdigit() else None
