"""What fetching alone would not tell: whether the brokers answer, and how much waits in each partition."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from fraudstream.cases.observer import Observer
from fraudstream.cases.processor import CaseProcessor
from fraudstream.cases.record import Position
from fraudstream.cases.settings import AgentSettings
from fraudstream.kafka.outage_logger import OutageLogger

ANSWER_S_MAX: Final = 3.0

log = logging.getLogger(__name__)


class LagMonitor:
    """`desks`: the partitions taken over, as the agent holds them."""

    def __init__(
        self,
        settings: AgentSettings,
        consumer: AIOKafkaConsumer,
        desks: Mapping[int, CaseProcessor],
        observer: Observer,
    ) -> None:
        self._settings, self._consumer, self._desks, self._observer = settings, consumer, desks, observer
        self._outage = OutageLogger(settings.brokers, log)

    async def look(self) -> None:
        """Ask for the ends of our partitions, apart from fetching: do brokers answer, and what waits?"""
        desks = dict(self._desks)
        topics = self._settings.input_topics
        tps = [TopicPartition(topic, number) for number in desks or (0,) for topic in topics]
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                ends = await self._consumer.end_offsets(tps)
        except (KafkaError, OSError, TimeoutError) as error:
            self._observer.on_brokers(answer=False)
            self._outage.failed(error)
            return
        self._outage.recovered()
        self._observer.on_brokers(answer=True)
        self.tell_lag([number for number, processor in desks.items() if self._desks.get(number) is processor], ends)

    def tell_lag(self, partitions: Iterable[int], ends: Mapping[TopicPartition, int]) -> None:
        """Of partitions taken over. `ends`: where they end, as far as known beside what fetching has told."""
        for partition in partitions:
            lag = 0
            for tp, offset in places_of(self._settings, partition, self._desks[partition].position).items():
                fetched = self._consumer.highwater(tp) if tp in self._consumer.assignment() else None
                lag += max(0, ends.get(tp, 0) - offset, (fetched or 0) - offset)
            self._observer.on_lag(partition, lag=lag)


def places_of(settings: AgentSettings, partition: int, position: Position) -> dict[TopicPartition, int]:
    """Where a partition of the agent stands in each of its topics."""
    offsets = (position.alerts, position.case_actions)
    return {
        TopicPartition(topic, partition): offset for topic, offset in zip(settings.input_topics, offsets, strict=True)
    }
