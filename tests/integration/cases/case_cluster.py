"""The topics of one test of cases: alerts and actions are published, whole topics are read."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.partitioner import DefaultPartitioner

from fraudstream.cases.settings import AgentSettings
from fraudstream.cases.view import CaseView
from fraudstream.contracts import Alert, Case, CaseAction
from fraudstream.contracts.headers import origin_header, source_header
from fraudstream.kafka import Brokers
from tests.integration.topic_admin import admin_of

PARTITIONS = 2
WAIT_S = 90.0

T = TypeVar("T")


def accounts_of(partition: int, count: int) -> list[str]:
    """Accounts whose alerts `publish_alerts` puts into that partition."""
    partitions = list(range(PARTITIONS))
    names = [f"acc-{number}" for number in range(20 * count)]
    return [each for each in names if DefaultPartitioner()(each.encode(), partitions, partitions) == partition][:count]


class TopicRecord(NamedTuple):
    """A record of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class CaseCluster:
    """A broker and the topics of one test. `fenced`: Apache Kafka, which fences; else the embedded broker."""

    def __init__(
        self, broker: str | Brokers, redis_url: str, unique_name: Callable[[str], str], fenced: bool = False
    ) -> None:
        self.settings = AgentSettings(
            brokers=broker if isinstance(broker, Brokers) else Brokers(broker),
            redis_url=redis_url,
            fenced=fenced,
            group=unique_name("cases-group"),
            alerts_topic=unique_name("alerts"),
            case_actions_topic=unique_name("case-actions"),
            case_answers_topic=unique_name("case-answers"),
            cases_topic=unique_name("cases"),
            notices_topic=unique_name("notices"),
            notice_answers_topic=unique_name("notice-answers"),
            payments_topic=unique_name("payments"),
            dead_letters_topic=unique_name("dead-letters"),
            fetch_wait_ms=5,
            session_timeout_s=6.0 if fenced else 4.0,
        )

    def view(self) -> CaseView:
        """A view in Redis under keys of this cluster."""
        return CaseView(self.settings.redis_url, prefix=f"{self.settings.cases_topic}:")

    async def cases_in_view(self) -> set[str]:
        """The accounts that have a case in the queue of the view."""
        view = self.view()
        try:
            return {case.account_id for case in await view.queue(100)}
        finally:
            await view.close()

    async def create_topics(self, names: Sequence[str] = (), partitions: int = PARTITIONS) -> None:
        """Create the topics `names`, or all topics of the settings if none are named."""
        s = self.settings
        names = names or (
            *(s.alerts_topic, s.case_actions_topic, s.case_answers_topic, s.cases_topic),
            *(s.notices_topic, s.notice_answers_topic, s.payments_topic, s.dead_letters_topic),
        )
        async with admin_of(s.brokers) as admin:
            await admin.create_topics([NewTopic(name, partitions, 1) for name in names])

    async def publish_alerts(self, alerts: Sequence[Alert], first_offset: int = 0, source: bool = True) -> None:
        """Publish alerts as a worker would, with the positions of their payments: partition 0, offsets in order.

        `source`: whether to add these headers.
        """
        async with AIOKafkaProducer(**self.settings.brokers.options()) as producer:
            for number, alert in enumerate(alerts):
                headers = [source_header(0, first_offset + number), origin_header(0)] if source else []
                await producer.send_and_wait(
                    self.settings.alerts_topic,
                    msgspec.json.encode(alert),
                    key=alert.account_id.encode(),
                    headers=headers,
                )

    async def publish_actions(self, actions: Sequence[CaseAction]) -> None:
        """Publish actions in this order, keyed by account."""
        for action in actions:
            await self.publish(
                self.settings.case_actions_topic, msgspec.json.encode(action), action.account_id.encode()
            )

    async def publish(self, topic: str, value: bytes, key: bytes | None = None) -> None:
        """Publish one record."""
        async with AIOKafkaProducer(**self.settings.brokers.options()) as producer:
            await producer.send_and_wait(topic, value, key=key)

    async def records(self, topic: str) -> list[TopicRecord]:
        """All committed records of the topic, partition by partition, in order."""
        found = []
        consumer = AIOKafkaConsumer(
            **self.settings.brokers.options(),
            fetch_max_wait_ms=5,
            enable_auto_commit=False,
            isolation_level="read_committed" if self.settings.fenced else "read_uncommitted",
        )
        async with consumer:
            for partition in range(PARTITIONS):
                tp = TopicPartition(topic, partition)
                consumer.assign([tp])
                consumer.seek(tp, 0)
                end: int | None = None
                while end is None or await consumer.position(tp) < end:
                    batch = (await consumer.getmany(tp, timeout_ms=100)).get(tp, [])
                    end = consumer.highwater(tp)
                    found += [TopicRecord(partition, r.offset, r.key, r.value or b"", tuple(r.headers)) for r in batch]
        return found

    async def case_events(self) -> list[Case]:
        """Every record of the topic of cases."""
        return [msgspec.json.decode(r.value, type=Case) for r in await self.records(self.settings.cases_topic)]

    async def cases(self) -> dict[str, Case]:
        """The newest record of the newest case, by account."""
        return {case.account_id: case for case in await self.case_events()}


async def eventually(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """The result of `look`, called again until it `holds`. Raises `TimeoutError` after `WAIT_S`."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found = await look()
            if holds(found):
                return found
            await asyncio.sleep(0.02)
