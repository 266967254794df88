"""Keeps what could not be delivered: a dead letter with the body of the webhook."""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.contracts.dead_letter import DeadLetter
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.webhooks.deliveries import Delivery


class Undelivered:
    """Writes to the topic of dead letters. `idempotent`: on Apache Kafka."""

    def __init__(self, brokers: Brokers, topic: str, *, idempotent: bool) -> None:
        self._brokers, self._topic, self._idempotent = brokers, topic, idempotent
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def keep(self, endpoint: str, delivery: Delivery, sentence: str) -> None:
        """Returns once the letter is durable. Raises what aiokafka raises."""
        event, place = delivery.event, delivery.place
        letter = DeadLetter(
            reason="webhook",
            sentence=f"{endpoint}: the event {event.event_id} was not delivered: {sentence}",
            path="$",
            topic=place.tp.topic,
            partition=place.tp.partition,
            offset=place.offset,
            timestamp_ms=place.published_at_ms,
            value=delivery.body,
            value_bytes=len(delivery.body),
            key=event.account_id.encode(),
        )
        producer = await self._started()
        await producer.send_and_wait(self._topic, msgspec.json.encode(letter), key=letter.key)

    async def close(self) -> None:
        """Close the producer."""
        if self._producer is not None:
            await close(self._producer)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(**self._brokers.options(), acks="all", enable_idempotence=self._idempotent)
                try:
                    await producer.start()
                except BaseException:
                    await close(producer)
                    raise
                self._producer = producer
        return self._producer
