"""Records of one partition that were fetched together: the unit in which a stage does all its work."""

from __future__ import annotations

from typing import NamedTuple

from fraudstream.engine.records import Records


class RecordBatch(NamedTuple):
    """Records of one partition in the order of its log, without a gap: between `first` and `next` the log holds no
    others.

    `first`: offset at which the fetch began. `next`: offset at which the following fetch begins; it is after
    transaction markers and aborted records, which the offsets of the records alone do not show. `end`: the partition's
    end as the broker last reported it.
    """

    records: Records
    first: int
    next: int
    end: int
