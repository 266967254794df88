"""From payments to a closed case and its labels, with a real worker, for an account whose publisher chooses the
partition itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.settings import AgentSettings
from fraudstream.cases.view import CaseView
from fraudstream.kafka import Brokers
from fraudstream.operations.apply_topics import apply_topics
from fraudstream.stream.observer import JudgedBatch, Unobserved
from fraudstream.stream.topics.file import Topic
from tests.integration.cases.case_cluster import eventually
from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.stream.payments import payment
from tests.unit.cases.events import action

PARTITION = 3  # not where Kafka's default partitioner would put b"a1"


class CountedLabels(Unobserved):
    """Counts the labels in the batches of a worker."""

    def __init__(self) -> None:
        self.labels = self.unmatched = 0

    def on_batch(self, partition: int, batch: JudgedBatch) -> None:
        self.labels += batch.labels
        self.unmatched += sum(batch.labels_unmatched.values())


@pytest.fixture
async def stream_cluster(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> StreamCluster:
    stream_cluster = StreamCluster(broker, unique_name, tmp_path)
    await stream_cluster.create_topics()
    return stream_cluster


async def test_the_disposition_of_a_case_labels_its_payments(
    stream_cluster: StreamCluster, redis_url: str, unique_name: Callable[[str], str]
) -> None:
    settings = AgentSettings(
        brokers=Brokers(stream_cluster.broker),
        redis_url=redis_url,
        fenced=False,
        group=unique_name("cases-group"),
        alerts_topic=stream_cluster.settings.alerts_topic,
        case_actions_topic=unique_name("case-actions"),
        case_answers_topic=unique_name("case-answers"),
        notices_topic=unique_name("notices"),
        notice_answers_topic=unique_name("notice-answers"),
        cases_topic=unique_name("cases"),
        payments_topic=stream_cluster.settings.payments_topic,
        dead_letters_topic=stream_cluster.settings.dead_letters_topic,
        fetch_wait_ms=5,
    )
    names = (
        *(settings.case_actions_topic, settings.case_answers_topic, settings.cases_topic),
        *(settings.notices_topic, settings.notice_answers_topic),
    )
    await apply_topics(Brokers(stream_cluster.broker), [Topic(name, PARTITIONS, 1, {}) for name in names])
    view = CaseView(redis_url, prefix=f"{settings.cases_topic}:")
    agent = CaseAgent(settings, view=CaseView(redis_url, prefix=f"{settings.cases_topic}:"))
    observer = CountedLabels()
    await agent.start()
    try:
        async with stream_cluster.worker(observer):
            await stream_cluster.publish_records(((b"a1", payment(n, "a1")) for n in range(4)), partition=PARTITION)
            (case,) = await eventually(lambda: view.queue(10), lambda found: [c.alert_count for c in found] == [3])
            partition = await view.partition_of(case.case_id)
            close = action("close", case.case_id, account_id="a1", disposition="confirmed_fraud", typology="mule")
            async with AIOKafkaProducer(bootstrap_servers=stream_cluster.broker) as producer:
                topic = settings.case_actions_topic
                await producer.send_and_wait(topic, msgspec.json.encode(close), key=b"a1", partition=partition)
            await eventually(lambda: _current(observer), lambda found: found.labels == 3)
            closed = await eventually(
                lambda: view.case(case.case_id), lambda found: found is not None and found.status == "closed"
            )
    finally:
        await agent.stop()
        await view.close()

    assert partition == PARTITION
    assert observer.unmatched == 0, "a label did not match its payment"
    assert closed is not None
    assert (closed.status, closed.disposition) == ("closed", "confirmed_fraud")
    assert case.amount_totals == {"EUR": "37.50"}
    assert {line.event_id for line in closed.alerts} == {"e1", "e2", "e3"}


async def _current(observer: CountedLabels) -> CountedLabels:
    await asyncio.sleep(0)
    return observer
