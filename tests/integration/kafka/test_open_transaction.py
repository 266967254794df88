"""A publisher's open transaction blocks a partition: the worker is healthy, and says what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from fraudstream.telemetry import process
from fraudstream.telemetry.worker import WorkerTelemetry
from tests.brokers import on_kafka
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import payment
from tests.integration.stream.process import WAIT_S

pytestmark = [on_kafka, pytest.mark.timeout(240)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stall counts after a few seconds."""
    monkeypatch.setattr(process, "STALLED_UNREADY_S", 3.0)
    monkeypatch.setattr(process, "STALLED_UNHEALTHY_S", 8.0)


class Sampled:
    """A worker's telemetry, and its samples of partition 0."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.telemetry = WorkerTelemetry(self.registry, version="test")

    def value(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"fraudstream_{name}", {"stage": "account", "partition": "0"})


async def test_the_worker_is_healthy_and_names_the_transaction(cluster: StreamCluster) -> None:
    sampled, topic = Sampled(), cluster.settings.payments_topic
    telemetry = sampled.telemetry
    publisher = AIOKafkaProducer(
        bootstrap_servers=cluster.broker, transactional_id=cluster.settings.group, transaction_timeout_ms=120_000
    )
    plain = AIOKafkaProducer(bootstrap_servers=cluster.broker)
    async with publisher, plain, cluster.worker(telemetry):
        await plain.send_and_wait(topic, payment(0, "a"), b"a", partition=0)
        await cluster.decisions(1)
        await publisher.begin_transaction()
        await publisher.send_and_wait(topic, payment(1, "a"), b"a", partition=0)
        await plain.send_and_wait(topic, payment(2, "a"), b"a", partition=0)
        await until(lambda: telemetry.ready() is not None)
        said = telemetry.ready() or ""
        assert said.startswith(f"partition 0 of {topic} has waited for an open transaction of a publisher since ")
        assert said.endswith("last stable offset 1, high watermark 3")
        await until(lambda: (sampled.value("open_transaction_seconds") or 0.0) > process.STALLED_UNHEALTHY_S + 2)
        assert telemetry.healthy() is None
        assert sampled.value("unstable_records") == 2
        assert sampled.value("lag_records") == 0
        await publisher.abort_transaction()
        await cluster.decisions(2)
        await until(lambda: telemetry.ready() is None)
        assert sampled.value("unstable_records") is None


async def test_short_transactions_of_publishers_leave_the_worker_ready(cluster: StreamCluster) -> None:
    sampled, topic = Sampled(), cluster.settings.payments_topic
    publisher = AIOKafkaProducer(bootstrap_servers=cluster.broker, transactional_id=cluster.settings.group)
    unready: list[str] = []
    async with publisher, cluster.worker(sampled.telemetry):
        await until(lambda: sampled.telemetry.ready() is None)
        for number in range(40):
            async with publisher.transaction():
                await publisher.send_and_wait(topic, payment(number, "a"), b"a", partition=0)
                await asyncio.sleep(0.2)
            if why := sampled.telemetry.ready():
                unready.append(why)
        await cluster.decisions(40)
    assert unready == []
