"""Brokers that assign no producer id: aiokafka's producer retries for ever, within the group's rebalance."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from fraudstream.kafka import Brokers
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust import changelog_writers
from fraudstream.stream.faust.changelog_writers import TransactionWriter
from fraudstream.stream.settings import StreamSettings


async def test_a_worker_that_cannot_fence_fails_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def retries(_: AIOKafkaProducer) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(AIOKafkaProducer, "start", retries)
    monkeypatch.setattr(changelog_writers, "FENCE_S_MAX", 0.01)
    writer = TransactionWriter(StreamSettings(brokers=Brokers("127.0.0.1:1"), checkpoint_mode="transaction"), 3)
    with pytest.raises(WorkerFailure, match="did not assign the transactional id 'fraudstream-account-3'"):
        await writer.fence("epoch")
    await writer.close()
