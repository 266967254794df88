"""Batches in each codec, as aiokafka's builder makes them."""

from __future__ import annotations

from typing import get_args

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from fraudstream.kafka.compression import Codec, batch_attribute, compression_type

HEADER_BYTES = 61  # of a record batch; what follows is compressed
FASTEST = 4  # byte 8 of a gzip header, RFC 1952


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


def test_gzip_is_written_at_its_fastest_level() -> None:
    assert batch_in("gzip")[HEADER_BYTES + 8] == FASTEST


def test_no_codec_is_none_for_the_producer() -> None:
    assert [compression_type(codec) for codec in get_args(Codec)] == [None, "gzip", "snappy", "lz4", "zstd"]
