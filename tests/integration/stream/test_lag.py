"""The lag that a worker tells, every few seconds and also while nothing comes, is what waits."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from aiokafka import AIOKafkaProducer

from fraudstream.stream.observer import Unobserved
from tests.integration.stream.world import WAIT_S, World, payment


class Lags(Unobserved):
    """What was told of each partition, in order."""

    def __init__(self) -> None:
        self.told: dict[int, list[int]] = defaultdict(list)

    def on_lag(self, partition: int, *, lag: int) -> None:
        self.told[partition].append(lag)

    async def more(self, times: int) -> list[int]:
        """The next ones of partition 0."""
        start = len(self.told[0])
        async with asyncio.timeout(WAIT_S):
            while len(self.told[0]) < start + times:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return self.told[0][start:]


@pytest.mark.kafka
async def test_the_marker_behind_a_publishers_transaction_is_no_payment_that_waits(kafka_world: World) -> None:
    lags = Lags()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_world.broker, transactional_id=kafka_world.settings.group)
    async with producer, producer.transaction():
        for number in range(10):
            await producer.send(kafka_world.settings.payments_topic, payment(number, "a"), key=b"a", partition=0)
    async with kafka_world.worker(lags):
        await kafka_world.decisions(10)
        assert await lags.more(3) == [0, 0, 0]
