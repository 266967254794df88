"""The buckets of the label index: from the digest of an event_id to the position of its entry. Compiled.

Open addressing with linear probing, at most three quarters full. A bucket is uint64: 32 bits of the digest, and
position + 1; 0 is free. The home of a digest is found in the bucket itself, so nothing else is read where one is freed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arrays import UInt64Array

LOW: Final = np.uint64(0xFFFFFFFF)
HALF: Final = np.uint64(32)


@jit
def home_of(event: np.uint64, mask: int) -> int:
    """The first bucket for a digest."""
    return int(np.int64(event >> HALF) & mask)


@jit
def position_in(bucket: np.uint64) -> int:
    """The position in a bucket; -1 of a free one."""
    return int(np.int64(bucket & LOW) - 1)


@jit
def fill_bucket(bucket: UInt64Array, event: np.uint64, position: int) -> None:
    """Put an entry into the next free bucket, behind those that have its digest already."""
    mask = len(bucket) - 1
    at = home_of(event, mask)
    while bucket[at] != np.uint64(0):
        at = (at + 1) & mask
    bucket[at] = (event >> HALF) << HALF | np.uint64(position + 1)


@jit
def empty_bucket(bucket: UInt64Array, at: int) -> None:
    """Free a bucket, and move those behind it up that would not be found otherwise. Source: Knuth, TAOCP 3, 6.4,
    algorithm R."""
    mask = len(bucket) - 1
    free = at
    at = (at + 1) & mask
    while bucket[at] != np.uint64(0):
        home = home_of(bucket[at], mask)
        if ((at - home) & mask) >= ((at - free) & mask):
            bucket[free] = bucket[at]
            free = at
        at = (at + 1) & mask
    bucket[free] = np.uint64(0)
