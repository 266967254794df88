"""An open transaction on the alerts topic blocks a partition: the case agent is healthy, and names the transaction."""

from __future__ import annotations

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from fraudstream.cases.agent import CaseAgent
from fraudstream.telemetry import process
from fraudstream.telemetry.cases import CasesTelemetry
from tests.brokers import on_kafka
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.unit.cases.events import alert

pytestmark = [on_kafka, pytest.mark.timeout(240)]


async def test_the_agent_is_healthy_and_names_the_transaction(
    cluster: CaseCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STALLED_UNREADY_S", 3.0)
    monkeypatch.setattr(process, "STALLED_UNHEALTHY_S", 8.0)
    registry, topic = CollectorRegistry(), cluster.settings.alerts_topic
    telemetry = CasesTelemetry(registry, version="test")

    async def ready() -> str | None:
        return telemetry.ready()

    async def waited_s() -> float | None:
        return registry.get_sample_value("fraudstream_open_transaction_seconds", {"partition": "0"})

    agent = CaseAgent(cluster.settings, telemetry, cluster.view())
    publisher = AIOKafkaProducer(bootstrap_servers=cluster.settings.brokers.servers, transactional_id=topic)
    await agent.start()
    try:
        async with publisher:
            await publisher.begin_transaction()
            value = msgspec.json.encode(alert("a-0", "acc-1"))
            await publisher.send_and_wait(topic, value, b"acc-1", partition=0)
            await eventually(ready, lambda why: why is not None and "open transaction" in why)
            await eventually(waited_s, lambda seconds: (seconds or 0.0) > process.STALLED_UNHEALTHY_S + 2)
            assert telemetry.healthy() is None
            assert (telemetry.ready() or "").startswith(f"partition 0 of {topic} has waited for an open transaction")
            assert registry.get_sample_value("fraudstream_lag_records", {"partition": "0"}) == 0
            await publisher.abort_transaction()
            await eventually(ready, lambda why: why is None)
    finally:
        await agent.stop()
    assert agent.crash_reason is None
