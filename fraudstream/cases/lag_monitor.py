"""The lag of the case agent's partitions, all its input topics together, for `kafka.lag_monitor.LagMonitor`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from fraudstream.cases.processor import CaseProcessor
from fraudstream.cases.record import Position
from fraudstream.cases.settings import AgentSettings
from fraudstream.kafka.open_transactions import StableEnd

GAP_OF_A_MARKER: Final = 1  # offsets that the marker at the end of one transaction takes

Ends = Mapping[TopicPartition, int]


class CaseLogs:
    """The topics that the agent reads. `ends` may lack partitions: then only what fetching has shown counts."""

    def __init__(
        self, settings: AgentSettings, consumer: AIOKafkaConsumer, processors: Mapping[int, CaseProcessor]
    ) -> None:
        """`processors`: a live view of the recovered partitions, by number."""
        self._settings, self._consumer, self._processors = settings, consumer, processors

    def stable_ends(self) -> list[StableEnd]:
        """The two ends of each partition that is read, as the last fetch reported them."""
        return [
            StableEnd(tp.topic, tp.partition, stable, high)
            for tp in self._consumer.assignment()
            if tp.partition in self._processors
            and (stable := self._consumer.last_stable_offset(tp)) is not None
            and (high := self._consumer.highwater(tp)) is not None
        ]

    async def deleted(self, tp: TopicPartition, expected: int, first: int) -> int:
        """How many records retention has deleted between `expected` and the first record of a fetch. Offsets of
        transaction markers do not count, unless they are deleted. Raises what aiokafka raises."""
        if first - expected <= GAP_OF_A_MARKER:
            return 0
        begins = await self._consumer.beginning_offsets([tp])
        return max(0, int(begins[tp]) - expected)

    async def ends(self, partitions: Collection[int]) -> Ends:
        """The end offsets of these partitions in each topic. Raises what aiokafka raises."""
        tps = [TopicPartition(topic, number) for number in partitions for topic in self._settings.input_topics]
        ends: Ends = await self._consumer.end_offsets(tps)
        return ends

    def lag(self, partition: int, ends: Ends) -> int:
        """Records of all topics that are not handled yet."""
        lag = 0
        for tp, offset in input_offsets(self._settings, partition, self._processors[partition].position).items():
            fetched = self._fetched_end(tp) if tp in self._consumer.assignment() else None
            lag += max(0, ends.get(tp, 0) - offset, (fetched or 0) - offset)
        return lag

    def _fetched_end(self, tp: TopicPartition) -> int | None:
        """The end of the records that can be read now, as the last fetch reported it; None before the first."""
        stable = self._consumer.last_stable_offset(tp) if self._settings.fenced else None
        end: int | None = stable if stable is not None and stable >= 0 else self._consumer.highwater(tp)
        return end


def input_offsets(settings: AgentSettings, partition: int, position: Position) -> dict[TopicPartition, int]:
    """The next offset of the agent's partition in each of its topics."""
    offsets = (position.alerts, position.case_actions, position.notice_answers)
    return {
        TopicPartition(topic, partition): offset for topic, offset in zip(settings.input_topics, offsets, strict=True)
    }
