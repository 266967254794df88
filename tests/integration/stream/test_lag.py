"""The lag that a worker reports every few seconds, also while no payments arrive, counts waiting payments alone."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from aiokafka import AIOKafkaProducer

from fraudstream.stream.observer import Unobserved
from tests.brokers import on_kafka
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import payment
from tests.integration.stream.process import WAIT_S


class RecordedLags(Unobserved):
    """The lags that were reported, by partition, in order."""

    def __init__(self) -> None:
        self.lags: dict[int, list[int]] = defaultdict(list)

    def on_lag(self, partition: int, *, lag: int) -> None:
        self.lags[partition].append(lag)

    async def next_lags(self, times: int) -> list[int]:
        """The next `times` lags of partition 0."""
        start = len(self.lags[0])
        async with asyncio.timeout(WAIT_S):
            while len(self.lags[0]) < start + times:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return self.lags[0][start:]


@on_kafka
async def test_the_commit_marker_of_a_publishers_transaction_does_not_count_as_lag(cluster: StreamCluster) -> None:
    lags = RecordedLags()
    producer = AIOKafkaProducer(bootstrap_servers=cluster.broker, transactional_id=cluster.settings.group)
    async with producer, producer.transaction():
        for number in range(10):
            await producer.send(cluster.settings.payments_topic, payment(number, "a"), key=b"a", partition=0)
    async with cluster.worker(lags):
        await cluster.decisions(10)
        assert await lags.next_lags(3) == [0, 0, 0]
