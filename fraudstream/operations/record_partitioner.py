"""The partitioner of our own producers of payments and labels: the one that the settings declare for all publishers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from fraudstream.engine.partitioners import Partitioner, partitions_for

# aiokafka's protocol: the key, all partitions of the topic in ascending order, those that have a leader now.
RecordPartitioner: TypeAlias = Callable[[bytes | None, Sequence[int], Sequence[int]], int]


def record_partitioner(declared: Partitioner | Literal["any"]) -> RecordPartitioner:
    """For aiokafka's producer. `any` is murmur2, as aiokafka's own. A record without a key goes to any partition.

    >>> record_partitioner("consistent_random")(b"acct-1", range(12), range(12))
    1
    """
    partitioner: Partitioner = "murmur2" if declared == "any" else declared

    def choose(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
        if key is None:
            return random.choice(available or partitions)
        return partitions[int(partitions_for([key], len(partitions), partitioner)[0])]

    return choose
