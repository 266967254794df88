"""Queries to a cluster, for callers that do not import the client library: topics, transactions, committed offsets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest

from fraudstream.kafka.brokers import Brokers
from fraudstream.kafka.topic_metadata import topic_identity


class GroupNotReadableError(Exception):
    """An ACL does not allow us to read the offsets of this consumer group."""


class ClusterClient:
    """An open admin client. Made by `cluster_client`. Its methods raise aiokafka's errors (`kafka.failures`)."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def partition_counts(self) -> dict[str, int]:
        """How many partitions each topic has that we may describe."""
        # All topics, not ours by name: a metadata request that names a missing topic may create it.
        return {topic["topic"]: len(topic["partitions"]) for topic in await self._admin.describe_topics()}

    async def identity(self, topic: str) -> str:
        """The id that the cluster gave the topic when it was created (see `topic_identity`)."""
        return await topic_identity(self._admin._client, topic)

    async def supports_transactions(self) -> bool:
        """Whether the brokers serve transactions; the embedded broker does not."""
        client = self._admin._client
        answer = await client.send(client.get_random_node(), ApiVersionRequest())
        return any(key == AddPartitionsToTxnRequest.API_KEY for key, *_ in answer.api_versions)


@asynccontextmanager
async def cluster_client(brokers: Brokers, client_id: str) -> AsyncIterator[ClusterClient]:
    """A client that is closed when the block ends. Raises aiokafka's errors."""
    admin = AIOKafkaAdminClient(**brokers.options(), client_id=client_id)
    try:
        await admin.start()
        yield ClusterClient(admin)
    finally:
        await admin.close()


async def committed_offsets(brokers: Brokers, group: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """The offsets that a group has committed, by partition; partitions without a commit are left out.

    Does not join the group. Raises `GroupNotReadableError`, and aiokafka's errors.
    """
    async with AIOKafkaConsumer(**brokers.options(), group_id=group, enable_auto_commit=False) as consumer:
        tps = [TopicPartition(topic, number) for number in partitions]
        consumer.assign(tps)
        try:
            committed = {tp.partition: await consumer.committed(tp) for tp in tps}
        except GroupAuthorizationFailedError as error:
            raise GroupNotReadableError(str(error)) from error
    return {number: int(offset) for number, offset in committed.items() if offset is not None}


async def end_offsets(brokers: Brokers, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
    """The end of each partition as the broker reports it, without a fetch. Raises aiokafka's errors."""
    async with AIOKafkaConsumer(**brokers.options(), enable_auto_commit=False) as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in partitions])
    return {tp.partition: int(end) for tp, end in ends.items()}
