"""A stand-in for aiokafka's consumer: one topic in memory, or brokers that never answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from aiokafka import ConsumerRecord, TopicPartition

from fraudstream.kafka import Brokers

Record: TypeAlias = ConsumerRecord[bytes, bytes]


def record(topic: str, partition: int, offset: int, value: bytes = b"{}") -> Record:
    """A record without key and headers; its timestamp is its offset in ms."""
    return ConsumerRecord(topic, partition, offset, offset, 0, None, value, None, 0, len(value), ())


class FakeConsumer:
    """Serves `log`, the readable records by partition.

    `ends`: the high watermark by partition, by default after the last record; offsets up to it that have no record are
    transaction markers, over which the position passes. `late`: records that become readable at the second fetch.
    `per_fetch_max`: records that one fetch returns at most.
    """

    def __init__(
        self,
        log: Mapping[TopicPartition, Sequence[Record]],
        ends: Mapping[TopicPartition, int] | None = None,
        late: Sequence[Record] = (),
        per_fetch_max: int = 100,
    ) -> None:
        self.log = {tp: list(records) for tp, records in log.items()}
        self.highs = {tp: records[-1].offset + 1 if records else 0 for tp, records in self.log.items()} | dict(
            ends or {}
        )
        self.late, self.per_fetch_max = list(late), per_fetch_max
        self.positions: dict[TopicPartition, int] = {}
        self.known_ends: dict[TopicPartition, int] = {}
        self.stable: int | None = None  # last stable offset, where a transaction is open
        self.closed = False

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        self.closed = True

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self.positions, self.known_ends = dict.fromkeys(partitions, 0), {}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    def highwater(self, partition: TopicPartition) -> int | None:
        return self.known_ends.get(partition)

    def last_stable_offset(self, partition: TopicPartition) -> int | None:
        return self.known_ends.get(partition) if self.stable is None else self.stable

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self.log[tp][0].offset if self.log[tp] else self.highs[tp] for tp in partitions}

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Too low, as on some brokers."""
        return {tp: max(0, self.highs[tp] - 1) for tp in partitions}

    async def offsets_for_times(self, timestamps: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        return {
            tp: next((found for found in self.log[tp] if found.timestamp >= at_ms), None)
            for tp, at_ms in timestamps.items()
        }

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        fetched: dict[TopicPartition, list[Record]] = {}
        for tp in partitions:
            self.known_ends[tp] = self.highs[tp]
            count = min(max_records, self.per_fetch_max)
            found = [found for found in self.log[tp] if found.offset >= self.positions[tp]][:count]
            end = self.highs[tp] if self.stable is None else self.stable
            self.positions[tp] = found[-1].offset + 1 if found else end
            fetched[tp] = found
        for arrived in self.late:
            tp = TopicPartition(arrived.topic, arrived.partition)
            self.log[tp] = sorted([*self.log[tp], arrived], key=lambda found: found.offset)
        self.late.clear()
        await asyncio.sleep(0)
        return fetched


async def _never() -> Any:
    await asyncio.Event().wait()


class SilentConsumer(FakeConsumer):
    """Brokers that accept the connection and never answer a request named in `silent`."""

    def __init__(self, log: Mapping[TopicPartition, Sequence[Record]], silent: str) -> None:
        super().__init__(log)
        setattr(self, silent, lambda *_, **__: _never())


class SlowConsumer(FakeConsumer):
    """Brokers that answer every fetch, always with nothing, and never say where a partition ends."""

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        await asyncio.sleep(0.001)
        return {}


def lister(*partitions: int) -> Any:
    """A `list_partitions` for `TopicReader` that always finds these partitions."""

    async def list_partitions(brokers: Brokers, topic: str) -> list[int]:
        return list(partitions)

    return list_partitions


async def silent_lister(brokers: Brokers, topic: str) -> list[int]:
    """A `list_partitions` for `TopicReader` of brokers that never answer."""
    found: list[int] = await _never()
    return found
