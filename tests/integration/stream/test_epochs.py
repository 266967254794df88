"""Epochs on the embedded broker, which has no fencing: once the second owner of a partition has begun its epoch, no
reader accepts what the first one writes, and both owners see in the changelog whose epoch it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from fraudstream.engine.packed_records import PackedRecords, pack_pairs
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, Change, ChangelogRestorer
from fraudstream.stream.checkpoints.changelog_reader import changelog_reader
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord, encode_checkpoint
from fraudstream.stream.checkpoints.fencing import BATCH_BYTES_MAX
from fraudstream.stream.faust.changelog_writers import BatchWriter, batch_producer
from tests.integration.stream.cluster import StreamCluster

PARTITION = 2


class RestoredRows(dict[bytes, bytes]):
    """The rows that a changelog restores, by key."""

    def restore_packed(self, records: PackedRecords) -> None:
        """Keep the newest value of each key."""
        self.update(records.pairs())


@pytest.fixture
async def producer(cluster: StreamCluster) -> AsyncIterator[AIOKafkaProducer]:
    """The producer of checkpoints in the mode `batch`."""
    async with batch_producer(cluster.settings) as producer:
        yield producer


async def owner(cluster: StreamCluster, producer: AIOKafkaProducer, epoch: str) -> BatchWriter:
    """A writer of checkpoints that has begun this epoch."""
    writer = BatchWriter(cluster.settings, PARTITION, producer)
    await writer.fence(epoch)
    return writer


def checkpoint(next_offset: int, epoch: str) -> Change:
    """The record that ends a checkpoint at this offset."""
    record = CheckpointRecord(
        next_offset=next_offset, input_topic="payments", input_id="", rule_set="", layout="", mode="batch", epoch=epoch
    )
    return Change(CHECKPOINT_KEY, encode_checkpoint(record))


async def read_back(cluster: StreamCluster) -> tuple[RestoredRows, int]:
    """The rows and the next offset that recovery takes from the changelog."""
    rows = RestoredRows()
    replay = ChangelogRestorer(rows, "batch")
    async with changelog_reader(cluster.settings) as reader:
        async for records in reader.records(PARTITION):
            replay.feed(records)
    assert replay.checkpoint is not None
    return rows, replay.checkpoint.next_offset


async def test_what_a_paused_owner_writes_after_its_successor_began_an_epoch_is_ignored(
    cluster: StreamCluster, producer: AIOKafkaProducer
) -> None:
    paused = await owner(cluster, producer, "a")
    end = await paused.write([pack_pairs([Change(b"k", b"1"), checkpoint(10, "a")])])
    successor = await owner(cluster, producer, "b")
    rows, next_offset = await read_back(cluster)
    assert await paused.write([pack_pairs([Change(b"k", b"9"), checkpoint(99, "a")])]) == end, (
        "it did not read that another epoch began"
    )
    await successor.write([pack_pairs([checkpoint(next_offset, "b")])])
    assert await read_back(cluster) == (rows, next_offset) == ({b"k": b"1"}, 10)


async def test_a_single_owner_writes_checkpoints_of_any_number_of_batches(
    cluster: StreamCluster, producer: AIOKafkaProducer
) -> None:
    writer = await owner(cluster, producer, "a")
    large = [Change(f"k{n}".encode(), bytes(BATCH_BYTES_MAX // 3)) for n in range(10)]
    assert await writer.write([pack_pairs([checkpoint(0, "a")])]) == 1
    assert await writer.write([pack_pairs([*large, checkpoint(10, "a")])]) == 12
    assert await writer.write([pack_pairs([Change(b"k0", b"1"), checkpoint(20, "a")])]) == 14
    rows, next_offset = await read_back(cluster)
    assert (len(rows), rows[b"k0"], next_offset) == (10, b"1", 20)
