"""Publishes a load at a steady rate through broker failures: idempotent, in order, with long timeouts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from benchmarks.chaos.environment import Environment
from benchmarks.chaos.load import Item

TICK_S: Final = 0.05
BATCH_BYTES_MAX: Final = 512 * 1024
REQUEST_TIMEOUT_S: Final = 180.0  # a broker that is down for longer fails the run


class Publisher:
    """Publishes `items` at `rate` records per second. `waits_at`: the share at which it pauses."""

    def __init__(self, environment: Environment, items: Sequence[Item], rate: float) -> None:
        self._environment, self._items, self._rate = environment, items, rate
        self._partitions = list(range(environment.partitions))
        self._choose = DefaultPartitioner()
        self._sent = 0
        self.waits_at = 1.0

    @property
    def share(self) -> float:
        """Share of the load published so far, 0 to 1."""
        return self._sent / len(self._items)

    async def run(self) -> None:
        """Publish all records; returns when all are acknowledged. A late tick is not made up for."""
        producer = AIOKafkaProducer(
            **self._environment.brokers.options(),
            request_timeout_ms=round(REQUEST_TIMEOUT_S * 1000),
            max_batch_size=BATCH_BYTES_MAX,
            **({"enable_idempotence": True} if self._environment.kafka else {"acks": "all"}),
        )
        await producer.start()
        try:
            step = max(1, round(self._rate * TICK_S))
            waits: set[asyncio.Future[Any]] = set()
            for first in range(0, len(self._items), step):
                while self.share >= self.waits_at:  # noqa: ASYNC110
                    await asyncio.sleep(TICK_S)
                due = time.monotonic() + step / self._rate
                waits |= await self._send(producer, self._items[first : first + step])
                self._sent = min(first + step, len(self._items))
                for done in [wait for wait in waits if wait.done()]:
                    waits.remove(done)
                    done.result()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*waits)
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, items: Sequence[Item]) -> set[asyncio.Future[Any]]:
        batches: dict[tuple[str, int], Any] = {}
        for item in items:
            target = (item.topic, self._choose(item.key, self._partitions, self._partitions))
            batch = batches.get(target)
            if batch is None:
                batch = batches[target] = producer.create_batch()
            appended = batch.append(timestamp=None, key=item.key, value=item.value, headers=list(item.headers))
            assert appended is not None, f"a tick's records for {target} do not fit a batch: publish more slowly"
        return {
            await producer.send_batch(batch, self._environment.topic(topic), partition=partition)
            for (topic, partition), batch in batches.items()
        }
