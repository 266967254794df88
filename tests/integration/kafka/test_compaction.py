"""Compaction keeps the newest row of every key, and nothing that a dead owner left behind.

The changelog of transactional checkpoints is written in many small segments and without compaction, with transactions
of a dead owner in between. What recovery makes of it is noted; then it is compacted, until most of it is gone; what
recovery makes of it now must be the same, and a worker must go on from there without a payment lost or counted twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from fraudstream.stream.checkpoints.changelog_reader import changelog_reader
from tests.integration.stream.world import PARTITIONS, World, assert_counted_once

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

COMPACTED_S_MAX, ROUND_S_MAX = 120.0, 30.0
ROUNDS, PAYMENTS = 12, 60
SMALL_SEGMENTS = {"segment.ms": "100", "segment.bytes": "1048576"}
COMPACT = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"}


async def test_compaction_loses_no_row(world: World) -> None:
    await configure(world, SMALL_SEGMENTS | {"cleanup.policy": "delete"})
    await judge_in_rounds(world, range(ROUNDS // 2))
    for partition in range(PARTITIONS):
        await leave_open(world, partition)
    await judge_in_rounds(world, range(ROUNDS // 2, ROUNDS))
    whole = await changelog(world)
    before = rows(whole)

    await configure(world, SMALL_SEGMENTS | COMPACT)
    async with asyncio.timeout(COMPACTED_S_MAX):
        while len(compacted := await changelog(world)) > len(whole) / 2:  # noqa: ASYNC110
            await asyncio.sleep(0.5)

    assert rows(compacted) == before
    await judge_in_rounds(world, range(ROUNDS, ROUNDS + 1))
    payments = (ROUNDS + 1) * PAYMENTS
    assert len({decision.event_id for decision in await world.decisions(payments)}) == payments
    assert_counted_once(await world.alerts(payments - 20), payments)


async def judge_in_rounds(world: World, rounds: range) -> None:
    """Each round is a checkpoint of each partition, and so a segment."""
    topic = world.settings.changelog_topic
    async with world.worker(), asyncio.timeout(ROUND_S_MAX * len(rounds)):
        for number in rounds:
            before = await world.ends(topic)
            await world.publish(range(number * PAYMENTS, (number + 1) * PAYMENTS))
            await world.decisions((number + 1) * PAYMENTS)
            while any(end <= before[n] for n, end in (await world.ends(topic)).items()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def leave_open(world: World, partition: int) -> None:
    """What an owner writes that dies before it commits: rows under keys that exist. The next owner aborts them."""
    keys = [record.key for record in await changelog(world) if record.partition == partition]
    dead = AIOKafkaProducer(
        **world.brokers.options(),
        transactional_id=f"{world.settings.app_id}-{partition}",
        transaction_timeout_ms=60_000,
    )
    await dead.start()
    await dead.begin_transaction()
    for key in keys:
        await dead.send(world.settings.changelog_topic, b"never committed", key=key, partition=partition)
    await dead.flush()
    dead._sender._sender_task.cancel()  # as a kill does: nobody ends the transaction
    await dead.client.close()
    dead._closed = True


async def changelog(world: World) -> list[ConsumerRecord]:
    """All that recovery reads, partition by partition, in order."""
    async with changelog_reader(world.settings) as reader:
        return [record for n in range(PARTITIONS) async for records in reader.records(n) for record in records]


def rows(records: list[ConsumerRecord]) -> dict[tuple[int, bytes], bytes]:
    """What is in force for each key."""
    return {(record.partition, record.key): record.value for record in records}


async def configure(world: World, configs: dict[str, str]) -> None:
    async with admin_of(world) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, world.settings.changelog_topic, configs)])


@asynccontextmanager
async def admin_of(world: World) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**world.brokers.options())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
