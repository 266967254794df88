"""What tests publish to topics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import count

from aiokafka import AIOKafkaProducer

from fraudstream.kafka import Brokers

KeyAndValue = tuple[bytes | None, bytes | None]
_REQUEST_BYTES_MAX = 64 << 20  # room for the largest record that a test sends, which the stage must refuse


async def publish_records(
    brokers: Brokers, topic: str, records: Iterable[KeyAndValue], **send: object
) -> list[tuple[int, int]]:
    """Publish keys and values in this order; `send`: further arguments of `AIOKafkaProducer.send`.

    Returns (partition, offset) of each record, once the broker has acknowledged all.
    """
    async with AIOKafkaProducer(**brokers.options(), max_request_size=_REQUEST_BYTES_MAX) as producer:
        sent = [await producer.send(topic, value, key=key, **send) for key, value in records]
        done = await asyncio.gather(*sent)
    return [(metadata.partition, metadata.offset) for metadata in done]


async def publish_steadily(publish: Callable[[range], Awaitable[None]], enough: asyncio.Event) -> int:
    """Publish payments 0, 1, ... in batches of 10, about 100 a second, until one batch after `enough` was set.

    Returns the number of payments. The batch after `enough` makes sure that some follow the event under test.
    """
    for start in count(0, 10):
        is_last = enough.is_set()
        await publish(range(start, start + 10))
        if is_last:
            return start + 10
        await asyncio.sleep(0.1)
    raise AssertionError
