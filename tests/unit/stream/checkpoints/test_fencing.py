"""Brokers that give no producer id: aiokafka's producer asks on for ever, within the group's rebalance."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from fraudstream.kafka import Brokers
from fraudstream.stream.checkpoints import fencing
from fraudstream.stream.checkpoints.fencing import TransactionWriter
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.settings import StreamSettings


async def test_a_worker_that_can_fence_nobody_leaves_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asks_on(_: AIOKafkaProducer) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(AIOKafkaProducer, "start", asks_on)
    monkeypatch.setattr(fencing, "FENCE_S_MAX", 0.01)
    writer = TransactionWriter(StreamSettings(brokers=Brokers("127.0.0.1:1"), checkpoint_mode="transaction"), 3)
    with pytest.raises(WorkerFailure, match="transactional id 'fraudstream-account-3' to nobody"):
        await writer.fence("epoch")
    await writer.close()
