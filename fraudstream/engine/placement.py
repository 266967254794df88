"""Whether a record of the payments log is in the partition where its key belongs.

Publishers with different partitioners put the payments of one account into two partitions, whose states each see only
some of them. Under one partitioner a partition holds all records of a key or none. So its misplaced records follow from
its log and the settings alone, and a replay finds the same ones.

    payments-0   a1  b7 (due in 1)  a2                    b7 is misplaced: rejected, or copied to payments-1
    payments-1   b6  b8  b7 (copy, header `repartitioned: 0:1:…`)  b9

Copies of one partition's records arrive in the order of its log, each at least once: those not above the highest offset
seen of that partition are dropped, as between stages. `engine.copies` tells a copy from what a publisher has marked so.
A record that says it is a copy is never copied: workers with different settings would send it back and forth.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from fraudstream.compiled.packed import Packed
from fraudstream.engine.copies import says_copy
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
    """A record whose key belongs to the partition `due`. `position`: its index among the records. `says_copy`: whether
    it says that it is a copy."""

    position: int
    due: int
    says_copy: bool = False


def misplaced_records(placement: Placement, records: Records) -> tuple[Misplaced, ...]:
    """The misplaced ones of `records`, in order; records without a key never are."""
    spans = records.spans
    keys = Packed(records.buffer, spans.key_at, spans.key_length)
    due = partitions_of(keys, placement.partitions, placement.partitioner)
    elsewhere = np.flatnonzero(due != placement.partition).tolist()
    return tuple(
        Misplaced(i, int(due[i]), says_copy(records[i].headers)) for i in elsewhere if spans.key_length[i] != MISSING
    )


def is_refused(placement: Placement, misplaced: Misplaced) -> bool:
    """Whether a misplaced record becomes a dead letter."""
    return placement.policy == "reject" or (placement.policy == "repartition" and misplaced.says_copy)


def rejection_sentence(placement: Placement, misplaced: Misplaced) -> str:
    """Why a misplaced record is rejected, and what to do."""
    where = (
        f"The record is in partition {placement.partition}, but its key belongs to partition {misplaced.due} of "
        f"{placement.partitions} under the partitioner {placement.partitioner}"
    )
    if misplaced.says_copy:
        return (
            f"{where}, and its header `repartitioned` says that it was copied already, so it is not copied again. "
            "Only workers may set this header, and all of them must have one publishers.partitioner."
        )
    return (
        f"{where}: other payments of the account are there. Give all publishers one partitioner (librdkafka: "
        "partitioner=murmur2_random), and name it in publishers.partitioner."
    )
