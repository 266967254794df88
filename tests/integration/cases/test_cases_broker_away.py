"""The broker is down under a working case agent: the agent waits or exits with 70, and counts each alert once.

Limits: which of the two happens depends on whether a step was in progress when the broker was killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from fraudstream.contracts import Alert
from fraudstream.contracts.headers import SOURCE_HEADER
from tests.integration.cases.agent_process import agent_process
from tests.integration.cases.case_cluster import WAIT_S, CaseCluster, eventually
from tests.integration.own_kafka import own_kafka
from tests.unit.cases.events import alert

FAILED = 70
ACCOUNTS, EACH = 50, 30
ALERTS = [alert(f"acc-{account}-{number}", f"acc-{account}") for number in range(EACH) for account in range(ACCOUNTS)]


@pytest.mark.kafka
@pytest.mark.timeout(240)
async def test_each_alert_counts_once_though_the_broker_was_down_for_longer_than_the_session(
    kafka: str, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    log_file = tmp_path / "log"
    with own_kafka(tmp_path / "kafka") as broker:
        cluster = CaseCluster(broker.address, redis_url, unique_name, fenced=True)
        await cluster.create_topics()
        await publish(cluster, ALERTS)
        with log_file.open("wb") as log, agent_process(cluster, log=log) as agent:
            await eventually(cluster.case_events, lambda found: len(found) >= ACCOUNTS)
            await asyncio.to_thread(broker.kill)
            async with asyncio.timeout(WAIT_S):
                while agent.poll() is None and "for 10 s now" not in log_file.read_text():  # noqa: ASYNC110 - the session is 6
                    await asyncio.sleep(0.1)
            await asyncio.to_thread(broker.restart)
            with agent_process(cluster, log=log):  # its restart, or a second agent if it waited
                events = await eventually(cluster.case_events, lambda found: len(found) >= len(ALERTS))
                cases = await cluster.cases()
            assert agent.poll() in (None, FAILED)
    assert len(events) == len(ALERTS)
    assert "Traceback" not in log_file.read_text()
    for account, case in cases.items():
        assert [line.alert_id for line in case.alerts] == [f"{account}-{number}" for number in range(EACH)]


async def publish(cluster: CaseCluster, alerts: Sequence[Alert]) -> None:
    """Publish all at once, so that the agent has work when the broker is killed."""
    async with AIOKafkaProducer(**cluster.settings.brokers.options()) as producer:
        sent = [
            await producer.send(
                cluster.settings.alerts_topic,
                msgspec.json.encode(alert),
                key=alert.account_id.encode(),
                headers=[(SOURCE_HEADER, b"0:%d" % number)],
            )
            for number, alert in enumerate(alerts)
        ]
        await asyncio.gather(*sent)
