"""Which partition a key belongs to, by the partitioners that Kafka's clients use by default.

- `murmur2`: Java, franz-go, kafka-python, aiokafka; librdkafka's `murmur2_random`; our own stages. Source:
  `org.apache.kafka.common.utils.Utils.murmur2` (Appleby's MurmurHash2, public domain), seed 0x9747B28C, its sign bit
  cleared, modulo the number of partitions.
- `consistent_random`: the default of librdkafka, and so of confluent-kafka, kcat and node-rdkafka. Source:
  `rd_kafka_msg_partitioner_consistent`: CRC-32 (ISO-HDLC, as `zlib.crc32`) of the key, modulo the partitions.
- `fnv1a_random`: the default of Sarama. Source: `rd_kafka_msg_partitioner_fnv1a`: FNV-1a of 32 bits as a signed
  integer, its absolute value, modulo the partitions.

All of them put records without a key into any partition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.packed import Packed, pack
from fraudstream.compiled.writing import check_span

Partitioner = Literal["murmur2", "consistent_random", "fnv1a_random"]
_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Int64s: TypeAlias = npt.NDArray[np.int64]

_SEED, _MIX = 0x9747B28C, 0x5BD1E995
_CRC_POLYNOMIAL: Final = 0xEDB88320
_FNV_BASIS, _FNV_PRIME = 0x811C9DC5, 0x01000193


def partitions_for(
    keys: Sequence[bytes | None], partitions: int, partitioner: Partitioner = "murmur2"
) -> npt.NDArray[np.int64]:
    """The partition of each key, int64, shape (n,). None counts as the empty key.

    >>> partitions_for([b"acct-1", b"", None], 12).tolist()
    [2, 9, 9]
    >>> partitions_for([b"acct-1"], 12, "consistent_random").tolist()
    [1]
    """
    return partitions_of(pack(keys), partitions, partitioner)


def partitions_of(keys: Packed, partitions: int, partitioner: Partitioner = "murmur2") -> npt.NDArray[np.int64]:
    """As `partitions_for`, of packed keys."""
    out = np.empty(len(keys.at), np.int64)
    _HASHES[partitioner](keys.buffer, keys.at, keys.length, out)
    out %= partitions
    return out


@entry_point
def _murmur2(data: _Bytes, begins: _Int64s, lengths: _Int64s, out: _Int64s) -> None:
    mask = 0xFFFFFFFF
    for i in range(len(begins)):
        at, end = _span(data, begins[i], lengths[i])
        value = np.int64((_SEED ^ (end - at)) & mask)
        while at + 4 <= end:
            word = np.int64(data[at]) | np.int64(data[at + 1]) << 8
            word |= np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 24
            word = (word * _MIX) & mask
            word = ((word ^ (word >> 24)) * _MIX) & mask
            value = ((value * _MIX) & mask) ^ word
            at += 4
        rest = end - at
        if rest > 0:
            for k in range(rest):
                value ^= np.int64(data[at + k]) << (8 * k)
            value = (value * _MIX) & mask
        value = ((value ^ (value >> 13)) * _MIX) & mask
        value ^= value >> 15
        out[i] = value & 0x7FFFFFFF


@entry_point
def _crc32(data: _Bytes, begins: _Int64s, lengths: _Int64s, out: _Int64s) -> None:
    for i in range(len(begins)):
        value = np.int64(0xFFFFFFFF)
        begin, end = _span(data, begins[i], lengths[i])
        for at in range(begin, end):
            value ^= data[at]
            for _ in range(8):
                value = (value >> 1) ^ (_CRC_POLYNOMIAL * (value & 1))
        out[i] = value ^ 0xFFFFFFFF


@entry_point
def _fnv1a(data: _Bytes, begins: _Int64s, lengths: _Int64s, out: _Int64s) -> None:
    for i in range(len(begins)):
        value = np.int64(_FNV_BASIS)
        begin, end = _span(data, begins[i], lengths[i])
        for at in range(begin, end):
            value = ((value ^ data[at]) * _FNV_PRIME) & 0xFFFFFFFF
        out[i] = value if value < 0x80000000 else 0x100000000 - value


@jit
def _span(data: _Bytes, begin: int, length: int) -> tuple[int, int]:
    """Where a key begins and ends; one that is missing counts as empty."""
    check_span(data, begin, length)
    return begin, begin + max(length, 0)


_HASHES: Final[Mapping[Partitioner, Callable[[_Bytes, _Int64s, _Int64s, _Int64s], None]]] = {
    "murmur2": _murmur2,
    "consistent_random": _crc32,
    "fnv1a_random": _fnv1a,
}
