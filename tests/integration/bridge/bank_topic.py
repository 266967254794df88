"""A bank's topic, and what a bridge makes of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from fraudstream.contracts import DeadLetter, Payment
from fraudstream.kafka import Brokers
from tests.brokers import SelectedBroker
from tests.integration.topic_admin import admin_of

PARTITIONS = 3
READ_S_MAX = 60.0
_payment = msgspec.json.Decoder(Payment).decode
_letter = msgspec.json.Decoder(DeadLetter).decode


class BankTopic:
    """The topics of one test on a broker."""

    def __init__(self, broker: SelectedBroker, unique_name: Callable[[str], str]) -> None:
        self.brokers = Brokers(broker.servers)
        self.is_kafka = broker.is_kafka
        self.source, self.payments, self.letters = map(unique_name, ("bank", "payments", "letters"))
        self.group = unique_name("bridge")

    async def create(self) -> None:
        topics = [NewTopic(name, PARTITIONS, 1) for name in (self.source, self.payments, self.letters)]
        async with admin_of(self.brokers) as admin:
            await admin.create_topics(topics)

    async def publish(self, messages: Sequence[bytes | None]) -> None:
        """The messages in order, to the partitions in turn."""
        async with AIOKafkaProducer(**self.brokers.options()) as producer:
            for number, message in enumerate(messages):
                await producer.send(self.source, message, key=b"bank-%d" % number, partition=number % PARTITIONS)
            await producer.flush()

    def command(self, *more: str) -> list[str]:
        settings = {
            "kafka.bootstrap_servers": self.brokers.servers,
            "topics.payments": self.payments,
            "topics.dead_letters": self.letters,
            "worker.checkpoint_mode": "transaction" if self.is_kafka else "batch",
            "worker.fetch_wait_ms": 5,
            "bridge.group": self.group,
            "metrics.bridge_port": 0,
        }
        return [
            "bridge",
            f"--from={self.source}",
            *more,
            *(f"--set={name}={value}" for name, value in settings.items()),
        ]

    async def start(self, *more: str) -> asyncio.subprocess.Process:
        """A bridge in a process of its own."""
        words = [sys.executable, "-m", "fraudstream.cli.main", *self.command(*more)]
        return await asyncio.create_subprocess_exec(*words, cwd=Path(__file__).parents[3])

    async def read_payments(self) -> dict[int, list[Payment]]:
        """Every payment that readers see, by partition, in order."""
        return {
            number: [_payment(record) for record in records]
            for number, records in (await self._read(self.payments)).items()
        }

    async def read_letters(self) -> list[DeadLetter]:
        """Every dead letter."""
        return [_letter(record) for records in (await self._read(self.letters)).values() for record in records]

    async def _read(self, topic: str) -> dict[int, list[bytes]]:
        isolation = "read_committed" if self.is_kafka else "read_uncommitted"
        async with AIOKafkaConsumer(
            **self.brokers.options(), isolation_level=isolation, fetch_max_wait_ms=5
        ) as consumer:
            tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(tps)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(tps)
            found: dict[int, list[bytes]] = {tp.partition: [] for tp in tps}
            async with asyncio.timeout(READ_S_MAX):
                while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                    for tp, records in (await consumer.getmany(timeout_ms=50)).items():
                        found[tp.partition] += [record.value for record in records]
        return found
