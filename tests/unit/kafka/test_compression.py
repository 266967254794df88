"""Batches in each codec, as aiokafka's builder makes them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import get_args

import pytest
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from fraudstream.kafka import compression
from fraudstream.kafka.compression import Codec, batch_attribute, compress, compression_type

DECODERS: dict[Codec, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip_decode,
    "snappy": snappy_decode,
    "lz4": lz4_decode,
    "zstd": zstd_decode,
}
HEADER_BYTES = 61  # of a record batch; what follows is compressed


def batch_in(codec: Codec) -> bytes:
    builder = BatchBuilder(100_000, batch_attribute(codec))
    for number in range(100):
        builder.append(timestamp=number, key=b"a1", value=b'{"event_id":"e%d","outcome":"allow"}' % number)
    builder.close()
    return bytes(builder._build())


@pytest.mark.parametrize("codec", get_args(Codec))
def test_a_batch_says_its_codec_and_is_read_back(codec: Codec) -> None:
    data = batch_in(codec)
    batch = MemoryRecords(data).next_batch()
    assert batch is not None
    assert batch.compression_type == batch_attribute(codec)
    assert [record.value for record in batch] == [b'{"event_id":"e%d","outcome":"allow"}' % n for n in range(100)]


@pytest.mark.parametrize("codec", ["gzip", "lz4"])
def test_aiokafka_compresses_at_our_level(codec: Codec) -> None:
    """Its own is the highest."""
    assert batch_in(codec)[HEADER_BYTES:] == compress(codec, batch_in("none")[HEADER_BYTES:])


@pytest.mark.parametrize("codec", get_args(Codec))
def test_compressed_bytes_are_read_back(codec: Codec) -> None:
    payload = b"".join(b'{"event_id":"e%d","outcome":"allow"}' % n for n in range(5000))
    packed = compress(codec, memoryview(payload))
    assert DECODERS[codec](packed) == payload
    assert codec == "none" or len(packed) < len(payload) / 3


def test_zlib_writes_gzip_where_isal_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_gzip_library", zlib)
    assert gzip_decode(compress("gzip", b"ab" * 1000)) == b"ab" * 1000


def test_no_codec_is_none_for_the_producer() -> None:
    assert [compression_type(codec) for codec in get_args(Codec)] == [None, "gzip", "snappy", "lz4", "zstd"]
