"""Whether a record of the payments log is in the partition where its key belongs.

Publishers with different partitioners put the payments of one account into two partitions, whose states each see only
some of them. Under one partitioner a partition holds all records of a key or none. So its misplaced records follow from
its log and the settings alone, and a replay finds the same ones.

    payments-0   a1  b7 (due in 1)  a2                    b7 is misplaced: rejected, or copied to payments-1
    payments-1   b6  b8  b7 (copy, header `repartitioned: 0:1`)  b9

A copy is applied where it arrives. Copies of one partition's records arrive in the order of its log, each at least
once: those not above the highest offset seen of that partition are dropped, as between stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from fraudstream.compiled.packed import Packed
from fraudstream.contracts.headers import REPARTITIONED_HEADER, VERSION_HEADER, source_of
from fraudstream.engine.partitioners import Partitioner, partitions_of
from fraudstream.engine.records import MISSING, Records

MisplacedPolicy = Literal["repartition", "reject", "count"]


class Placement(NamedTuple):
    """`partition`: of the log, which has `partitions`; `partitioner`: the one that all publishers are to use; `policy`:
    what happens to misplaced records: they are copied to their partition, become dead letters, or are applied."""

    partition: int
    partitions: int
    partitioner: Partitioner
    policy: MisplacedPolicy


class Misplaced(NamedTuple):
    """A record whose key belongs to the partition `due`. `position`: its index among the records."""

    position: int
    due: int


def misplaced_records(placement: Placement, records: Records) -> tuple[Misplaced, ...]:
    """The misplaced ones of `records`, in order; copies and records without a key never are."""
    spans = records.spans
    keys = Packed(records.buffer, spans.key_at, spans.key_length)
    due = partitions_of(keys, placement.partitions, placement.partitioner)
    elsewhere = np.flatnonzero(due != placement.partition).tolist()
    return tuple(
        Misplaced(i, int(due[i]))
        for i in elsewhere
        if spans.key_length[i] != MISSING and copy_source(records[i].headers) is None
    )


def copy_source(headers: Sequence[tuple[str, bytes]]) -> tuple[str, int] | None:
    """Of which record one with these headers is a copy: partition and offset; None if it is none.

    Each state version copies its own part of a log, so the partition is named with the version.

    >>> copy_source([("repartitioned", b"3:17")]), copy_source([("repartitioned", b"3:17"), ("state-version", b"2")])
    (('3', 17), ('3-v2', 17))
    """
    found = dict(headers)
    source = source_of(found.get(REPARTITIONED_HEADER))
    if source is None:
        return None
    version = found.get(VERSION_HEADER, b"")
    return (f"{source[0]}-v{int(version)}", source[1]) if version.isdigit() else source


def rejection_sentence(placement: Placement, due: int) -> str:
    """Why a misplaced record is rejected, and what to do."""
    return (
        f"The record is in partition {placement.partition}, but its key belongs to partition {due} of "
        f"{placement.partitions} under the partitioner {placement.partitioner}: other payments of the account are "
        "there. Give all publishers one partitioner (librdkafka: partitioner=murmur2_random), and name it in "
        "publishers.partitioner."
    )
