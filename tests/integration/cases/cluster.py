"""What the tests of cases do to a broker: topics of their own, alerts and actions in, whole topics out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from fraudstream.cases.settings import AgentSettings
from fraudstream.cases.view import CaseView
from fraudstream.contracts import Alert, Case, CaseAction
from fraudstream.contracts.headers import origin_header, source_header
from fraudstream.kafka import Brokers

PARTITIONS = 2
WAIT_S = 90.0

T = TypeVar("T")


class Stored(NamedTuple):
    """A record as it stands in a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class CaseCluster:
    """A broker and the topics of one test."""

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
            cases_topic=unique_name("cases"),
            payments_topic=unique_name("payments"),
            dead_letters_topic=unique_name("dead-letters"),
            fetch_wait_ms=5,
            session_timeout_s=6.0 if fenced else 4.0,
        )

    def view(self) -> CaseView:
        """A view under keys of its own."""
        return CaseView(self.settings.redis_url, prefix=f"{self.settings.cases_topic}:")

    async def create_topics(self, names: Sequence[str] = (), partitions: int = PARTITIONS) -> None:
        """These topics, else all that the settings name."""
        s = self.settings
        admin = AIOKafkaAdminClient(**s.brokers.options())
        await admin.start()
        names = names or (s.alerts_topic, s.case_actions_topic, s.cases_topic, s.payments_topic, s.dead_letters_topic)
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
        await admin.close()

    async def publish_alerts(self, alerts: Sequence[Alert], first_offset: int = 0, source: bool = True) -> None:
        """Each with the place of its payment, as a worker would: partition 0 of the log, offsets in order."""
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
        for action in actions:
            await self.publish(
                self.settings.case_actions_topic, msgspec.json.encode(action), action.account_id.encode()
            )

    async def publish(self, topic: str, value: bytes, key: bytes | None = None) -> None:
        async with AIOKafkaProducer(**self.settings.brokers.options()) as producer:
            await producer.send_and_wait(topic, value, key=key)

    async def records(self, topic: str) -> list[Stored]:
        """All that stands in the topic, partition by partition."""
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
                    found += [Stored(partition, r.offset, r.key, r.value or b"", tuple(r.headers)) for r in batch]
        return found

    async def case_events(self) -> list[Case]:
        return [msgspec.json.decode(r.value, type=Case) for r in await self.records(self.settings.cases_topic)]

    async def cases(self) -> dict[str, Case]:
        """By account, the newest record of its newest case."""
        return {case.account_id: case for case in await self.case_events()}


async def eventually(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """What `look` gives as soon as it `holds`."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found = await look()
            if holds(found):
                return found
            await asyncio.sleep(0.02)
