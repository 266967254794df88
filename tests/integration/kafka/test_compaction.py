"""Compaction of the changelog keeps the newest row of every key, and nothing of an owner that died in a transaction.

Method: the changelog of transactional checkpoints is written in many small segments without compaction, with open
transactions of dead owners in between. Then it is compacted until most of it is gone. Recovery must give the same rows
before and after, and a worker must resume from them without a payment lost or counted twice.
"""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from fraudstream.stream.checkpoints.changelog_reader import changelog_reader
from tests.brokers import on_kafka
from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.stream.payments import assert_counted_once
from tests.integration.topic_admin import admin_of

pytestmark = [on_kafka, pytest.mark.timeout(300)]

COMPACTED_S_MAX, ROUND_S_MAX = 120.0, 30.0
ROUNDS, PAYMENTS = 12, 60
SMALL_SEGMENTS = {"segment.ms": "100", "segment.bytes": "1048576"}
COMPACT = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"}


async def test_compaction_loses_no_row(cluster: StreamCluster) -> None:
    await configure(cluster, SMALL_SEGMENTS | {"cleanup.policy": "delete"})
    await decide_in_rounds(cluster, range(ROUNDS // 2))
    for partition in range(PARTITIONS):
        await leave_open(cluster, partition)
    await decide_in_rounds(cluster, range(ROUNDS // 2, ROUNDS))
    whole = await changelog(cluster)
    before = rows(whole)

    await configure(cluster, SMALL_SEGMENTS | COMPACT)
    async with asyncio.timeout(COMPACTED_S_MAX):
        while len(compacted := await changelog(cluster)) > len(whole) / 2:  # noqa: ASYNC110
            await asyncio.sleep(0.5)

    assert rows(compacted) == before
    await decide_in_rounds(cluster, range(ROUNDS, ROUNDS + 1))
    payments = (ROUNDS + 1) * PAYMENTS
    assert len({decision.event_id for decision in await cluster.decisions(payments)}) == payments
    assert_counted_once(await cluster.alerts(payments - 20), payments)


async def decide_in_rounds(cluster: StreamCluster, rounds: range) -> None:
    """Decide payments; each round ends with a checkpoint, and so a segment, of each partition."""
    topic = cluster.settings.changelog_topic
    async with cluster.worker(), asyncio.timeout(ROUND_S_MAX * len(rounds)):
        for number in rounds:
            before = await cluster.ends(topic)
            await cluster.publish(range(number * PAYMENTS, (number + 1) * PAYMENTS))
            await cluster.decisions((number + 1) * PAYMENTS)
            while any(end <= before[n] for n, end in (await cluster.ends(topic)).items()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def leave_open(cluster: StreamCluster, partition: int) -> None:
    """Write rows under existing keys as an owner that dies before it commits. The next owner aborts the transaction."""
    keys = [record.key for record in await changelog(cluster) if record.partition == partition]
    dead = AIOKafkaProducer(
        **cluster.brokers.options(),
        transactional_id=f"{cluster.settings.app_id}-{partition}",
        transaction_timeout_ms=60_000,
    )
    await dead.start()
    await dead.begin_transaction()
    for key in keys:
        await dead.send(cluster.settings.changelog_topic, b"never committed", key=key, partition=partition)
    await dead.flush()
    dead._sender._sender_task.cancel()  # as a kill does: the transaction stays open
    await dead.client.close()
    dead._closed = True


async def changelog(cluster: StreamCluster) -> list[ConsumerRecord]:
    """All that recovery reads, partition by partition, in order."""
    async with changelog_reader(cluster.settings) as reader:
        return [record for n in range(PARTITIONS) async for records in reader.records(n) for record in records]


def rows(records: list[ConsumerRecord]) -> dict[tuple[int, bytes], bytes]:
    """The newest value of each key."""
    return {(record.partition, record.key): record.value for record in records}


async def configure(cluster: StreamCluster, configs: dict[str, str]) -> None:
    """Set configs of the changelog topic."""
    async with admin_of(cluster.brokers) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, cluster.settings.changelog_topic, configs)])
