"""Keys go where the clients of Kafka put them, by the published vectors and by independent implementations."""

from __future__ import annotations

import random
import zlib
from typing import Any, get_args

import numpy as np
import pytest
from aiokafka.partitioner import murmur2

from fraudstream.compiled.packed import pack
from fraudstream.engine import partitioners
from fraudstream.engine.partitioners import Partitioner, partitions_for

_DRAW = random.Random(7)
KEYS = [_DRAW.randbytes(_DRAW.randrange(40)) for _ in range(2_000)] + [b"", "é€".encode(), b"acct-1"]
COUNTS = (1, 3, 12, 64)

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
JAVA_VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
# The check values of the catalogue of CRC algorithms (CRC-32/ISO-HDLC), and of RFC 3720's input of zeros under it.
CRC_VECTORS = {b"123456789": 0xCBF43926, b"": 0, bytes(32): 0x190A55AD}
# draft-eastlake-fnv, appendix C: FNV-1a of 32 bits.
FNV_VECTORS = {b"": 0x811C9DC5, b"a": 0xE40C292C, b"foobar": 0xBF9CF968}

WIDE = 1 << 40  # more partitions than hashes have values: the number is the hash


@pytest.mark.parametrize(("key", "expected"), JAVA_VECTORS.items())
def test_murmur2_equals_javas(key: bytes, expected: int) -> None:
    assert partitions_for([key], WIDE).tolist() == [expected & 0x7FFFFFFF]


@pytest.mark.parametrize("count", COUNTS)
def test_murmur2_puts_keys_where_aiokafka_does(count: int) -> None:
    assert partitions_for(KEYS, count).tolist() == [(murmur2(key) & 0x7FFFFFFF) % count for key in KEYS]


@pytest.mark.parametrize(("key", "expected"), CRC_VECTORS.items())
def test_consistent_random_is_the_crc_of_zip(key: bytes, expected: int) -> None:
    assert partitions_for([key], WIDE, "consistent_random").tolist() == [expected]


@pytest.mark.parametrize("count", COUNTS)
def test_consistent_random_puts_keys_where_librdkafka_does(count: int) -> None:
    assert partitions_for(KEYS, count, "consistent_random").tolist() == [zlib.crc32(key) % count for key in KEYS]


@pytest.mark.parametrize(("key", "value"), FNV_VECTORS.items())
def test_fnv1a_random_takes_the_absolute_value_of_the_signed_hash(key: bytes, value: int) -> None:
    signed = value - (1 << 32) if value >> 31 else value
    assert partitions_for([key], WIDE, "fnv1a_random").tolist() == [abs(signed)]


def test_a_missing_key_counts_as_the_empty_one() -> None:
    assert partitions_for([None, b"a", None], 12).tolist() == partitions_for([b"", b"a", b""], 12).tolist()


def test_no_keys_have_no_partitions() -> None:
    assert partitions_for([], 12).tolist() == []


@pytest.mark.parametrize("partitioner", get_args(Partitioner))
def test_the_compiled_hash_equals_the_plain_function(partitioner: Partitioner) -> None:
    compiled: Any = partitioners._HASHES[partitioner]
    plain = getattr(compiled, "py_func", compiled)
    hashes = np.empty(len(KEYS), np.int64)
    plain(*pack(KEYS), hashes)
    assert hashes.tolist() == partitions_for(KEYS, WIDE, partitioner).tolist()
