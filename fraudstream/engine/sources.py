"""Which records of the previous stage are new: each brings its place in that stage's log.

A previous stage that resumed from its last checkpoint sends records again. They arrive in the order of its log, so
those up to the highest offset received of their partition are dropped.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fraudstream.contracts.headers import source_of
from fraudstream.engine.arrays import BoolArray, Int64Array
from fraudstream.engine.columns import Rejection
from fraudstream.engine.header_fields import MISSING, RecordHeaders
from fraudstream.engine.records import Records

_NOT_FORWARDED = (
    "The record does not come from the previous stage, the only one that may write here. Publish payments to their "
    "own topic."
)


class Received(NamedTuple):
    """`positions`: indices of the records that are new; int64. `refused`: those that no stage has forwarded."""

    positions: Int64Array
    refused: list[Rejection]


def new_from_previous_stage(sources: dict[str, int], records: Records, headers: RecordHeaders) -> Received:
    """The records that were not received before. `sources`: the highest offset received of each partition, by its
    number as text; it is advanced."""
    forwarded = (headers.partition != MISSING) & (headers.features_length != MISSING)
    if forwarded.all():
        return Received(np.flatnonzero(_are_new(sources, headers)), [])
    return _one_by_one(sources, records, headers)


def _are_new(sources: dict[str, int], headers: RecordHeaders) -> BoolArray:
    """Which of the records are above all offsets of their partition before them: bool, shape (n,)."""
    new = np.zeros(len(headers.kind), np.bool_)
    for partition in np.unique(headers.partition).tolist():
        rows = np.flatnonzero(headers.partition == partition)
        offset = headers.offset[rows]
        highest = np.maximum.accumulate(np.append(np.int64(sources.get(str(partition), -1)), offset))
        new[rows] = offset > highest[:-1]
        sources[str(partition)] = int(highest[-1])
    return new


def _one_by_one(sources: dict[str, int], records: Records, headers: RecordHeaders) -> Received:
    """As `new_from_previous_stage`, where a record has other headers than the previous stage writes."""
    positions: list[int] = []
    refused: list[Rejection] = []
    for position in range(len(records)):
        at, length = int(headers.source_at[position]), int(headers.source_length[position])
        source = source_of(None if length == MISSING else records.buffer[at : at + length].tobytes())
        if source is None or headers.features_length[position] == MISSING:
            refused.append(Rejection(position, "invalid", _NOT_FORWARDED, "$"))
            continue
        partition, offset = source
        if offset > sources.get(partition, -1):
            sources[partition] = offset
            positions.append(position)
    return Received(np.array(positions, np.int64), refused)
