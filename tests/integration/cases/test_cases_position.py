"""The case agent resumes after the newest case, in the topics from which that case came, and nowhere else."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.case_log import CaseLog
from fraudstream.cases.failure import AgentError
from fraudstream.cases.held import Held
from fraudstream.cases.record import Position, case_record
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Case
from fraudstream.kafka.stall_detector import StalledError
from tests.brokers import on_both_brokers
from tests.integration.cases.case_cluster import PARTITIONS, WAIT_S, CaseCluster, eventually
from tests.unit.cases.events import alert


@on_both_brokers
async def test_offsets_of_the_group_without_cases_hide_no_alert(cluster: CaseCluster) -> None:
    """Such offsets are left over from deleted topics or deleted cases: the positions in the cases count."""
    await cluster.publish_alerts([alert(f"a{number}", account_id=f"acc-{number}") for number in range(6)])
    async with AIOKafkaConsumer(
        **cluster.settings.brokers.options(), group_id=cluster.settings.group, enable_auto_commit=False
    ) as consumer:
        partitions = [TopicPartition(cluster.settings.alerts_topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 3))

    agent = CaseAgent(cluster.settings, view=cluster.view())
    await agent.start()
    try:
        cases: list[Case] = await eventually(cluster.case_events, lambda found: len(found) == 6)
    finally:
        await agent.stop()
    assert {case.account_id for case in cases} == {f"acc-{number}" for number in range(6)}


@on_both_brokers
async def test_cases_of_a_topic_that_was_created_again_are_refused(cluster: CaseCluster) -> None:
    held = cast(Held, CaseStore().alert(alert("a1"), None))
    record = case_record(cluster.settings.cases_topic, 0, held, Position(alerts=1_000, alerts_id="another"))
    async with AIOKafkaProducer(**cluster.settings.brokers.options()) as producer:
        await producer.send_and_wait(
            record.topic, record.value, key=record.key, partition=0, headers=list(record.headers)
        )

    agent = CaseAgent(cluster.settings, view=cluster.view())
    await agent.start()
    try:
        await asyncio.wait_for(agent.wait_until_stopped(), WAIT_S)
    finally:
        await agent.stop()
    assert isinstance(agent.crash_reason, AgentError)
    assert f"The topic '{cluster.settings.alerts_topic}' is not the one that the cases" in agent.crash_reason.sentence
    assert f"delete the topic '{cluster.settings.cases_topic}'" in agent.crash_reason.sentence


@pytest.mark.kafka
async def test_reading_a_topic_that_does_not_answer_ends_with_an_error(kafka: str, redis_url: str) -> None:
    cluster = CaseCluster(kafka, redis_url, lambda name: f"{name}-that-is-nowhere", fenced=True)
    log = CaseLog(cluster.settings.brokers, cluster.settings.cases_topic, 5, committed_only=True, limit_s=0.5)
    with pytest.raises(StalledError, match=r"no answer from the brokers within 0.5 s"):
        await log.restore(0, on_progress=lambda share: None)
    with pytest.raises(StalledError):
        await log.end(0)
