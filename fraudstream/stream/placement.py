"""Which partition a key belongs to: that of Kafka's own default partitioner, so that publishers and stages agree.

Source: `org.apache.kafka.common.utils.Utils.murmur2` (Appleby's MurmurHash2, public domain), seed 0x9747B28C, its sign
bit cleared, modulo the number of partitions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fraudstream.engine.jit import jit

_SEED, _MIX = 0x9747B28C, 0x5BD1E995


def partitions_for(keys: Sequence[bytes | None], partitions: int) -> npt.NDArray[np.int64]:
    """The partition of each key, int64, shape (n,). None counts as the empty key.

    >>> partitions_for([b"acct-1", b"", None], 12).tolist()
    [2, 9, 9]
    """
    joined = b"".join([key or b"" for key in keys])
    ends = np.cumsum(np.fromiter((len(key or b"") for key in keys), np.int64, len(keys)))
    out = np.empty(len(keys), np.int64)
    _murmur2(np.frombuffer(joined, np.uint8), ends, partitions, out)
    return out


@jit
def _murmur2(
    data: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64], partitions: int, out: npt.NDArray[np.int64]
) -> None:
    mask, start = 0xFFFFFFFF, 0
    for i in range(len(ends)):
        length = ends[i] - start
        value = (_SEED ^ length) & mask
        at = start
        while at + 4 <= ends[i]:
            word = data[at] | data[at + 1] << 8 | data[at + 2] << 16 | data[at + 3] << 24
            word = (word * _MIX) & mask
            word = ((word ^ (word >> 24)) * _MIX) & mask
            value = ((value * _MIX) & mask) ^ word
            at += 4
        rest = ends[i] - at
        if rest > 0:
            for k in range(rest):
                value ^= data[at + k] << (8 * k)
            value = (value * _MIX) & mask
        value = ((value ^ (value >> 13)) * _MIX) & mask
        value ^= value >> 15
        out[i] = (value & 0x7FFFFFFF) % partitions
        start = ends[i]
