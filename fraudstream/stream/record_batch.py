"""Records of one partition that were fetched together: the unit in which a stage does all its work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class FetchedRecord(Protocol):
    """A record as it was fetched: what it holds, and its offset. aiokafka's records fit, raw or not."""

    @property
    def offset(self) -> int:
        """Its position in the partition."""

    @property
    def timestamp(self) -> int:
        """Ms since the epoch, UTC: when the publisher made it or the broker appended it, as the topic is configured."""

    @property
    def key(self) -> bytes | None:
        """The key, None if the record has none."""

    @property
    def value(self) -> bytes | None:
        """The value, None for a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Name and value of each header, in the order of the record."""


class RecordBatch(NamedTuple):
    """Records of one partition in the order of its log, without a gap: between `first` and `next` the log holds no
    others.

    `first`: offset at which the fetch began. `next`: offset at which the following fetch begins; it is after
    transaction markers and aborted records, which the offsets of the records alone do not show. `end`: the partition's
    end as the broker last reported it.
    """

    records: Sequence[FetchedRecord]
    first: int
    next: int
    end: int
