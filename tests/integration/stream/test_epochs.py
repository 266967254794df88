"""Two owners of a partition on the embedded broker, which fences nobody: what the first writes, once the second has
begun its term, counts for no reader; and either can tell from the log whose it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest
from aiokafka import AIOKafkaProducer

from fraudstream.stream.checkpoints.changelog import (
    CHECKPOINT_KEY,
    Change,
    ChangelogRestorer,
    CheckpointRecord,
    encode_checkpoint,
)
from fraudstream.stream.checkpoints.changelog_reader import changelog_reader
from fraudstream.stream.checkpoints.fencing import BATCH_BYTES_MAX
from fraudstream.stream.faust.changelog_writers import BatchWriter, batch_producer
from tests.integration.stream.world import World

PARTITION = 2


class Rows(dict[bytes, bytes]):
    def restore(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        self.update(records)


@pytest.fixture
async def producer(world: World) -> AsyncIterator[AIOKafkaProducer]:
    async with batch_producer(world.settings) as producer:
        yield producer


async def owner(world: World, producer: AIOKafkaProducer, epoch: str) -> BatchWriter:
    writer = BatchWriter(world.settings, PARTITION, producer)
    await writer.fence(epoch)
    return writer


def position(next_offset: int, epoch: str) -> Change:
    record = CheckpointRecord(
        next_offset=next_offset, input_topic="payments", input_id="", rule_set="", layout="", mode="batch", epoch=epoch
    )
    return Change(CHECKPOINT_KEY, encode_checkpoint(record))


async def read_back(world: World) -> tuple[Rows, int]:
    rows = Rows()
    replay = ChangelogRestorer(rows, "batch")
    async with changelog_reader(world.settings) as reader:
        async for records in reader.records(PARTITION):
            replay.feed(records)
    assert replay.checkpoint is not None
    return rows, replay.checkpoint.next_offset


async def test_what_a_paused_owner_writes_before_its_successor_opens_does_not_count(
    world: World, producer: AIOKafkaProducer
) -> None:
    paused = await owner(world, producer, "a")
    end = await paused.write([Change(b"k", b"1"), position(10, "a")])
    successor = await owner(world, producer, "b")
    rows, next_offset = await read_back(world)
    assert await paused.write([Change(b"k", b"9"), position(99, "a")]) == end, "it would not read that a term began"
    await successor.write([position(next_offset, "b")])
    assert await read_back(world) == (rows, next_offset) == ({b"k": b"1"}, 10)


async def test_an_owner_alone_writes_on_however_many_batches_a_checkpoint_takes(
    world: World, producer: AIOKafkaProducer
) -> None:
    writer = await owner(world, producer, "a")
    large = [Change(f"k{n}".encode(), bytes(BATCH_BYTES_MAX // 3)) for n in range(10)]
    assert await writer.write([position(0, "a")]) == 1
    assert await writer.write([*large, position(10, "a")]) == 12
    assert await writer.write([Change(b"k0", b"1"), position(20, "a")]) == 14
    rows, next_offset = await read_back(world)
    assert (len(rows), rows[b"k0"], next_offset) == (10, b"1", 20)
