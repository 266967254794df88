"""While a worker runs, its topics must stay the ones it began with: looked at again and again.

A topic that was created again has offsets that mean other payments; partitions that were added take accounts away from
their memory. Fetching tells neither.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from fraudstream.stream.cluster import look_once
from fraudstream.stream.failure import Refusal

if TYPE_CHECKING:
    from fraudstream.stream.app import StreamApp

LOOK_S = 10.0


async def watch_topics(app: StreamApp) -> None:
    """Until cancelled. Raises `Refusal` when a topic is not what it was, or no longer fits."""
    topic, since = app.settings.input_topic, app.cluster
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            now = await look_once(app.settings)
        except (KafkaError, OSError, TimeoutError):
            continue  # brokers that are away are told of by the lookout
        if now.input_id != since.input_id:
            raise Refusal(
                f"The topic '{topic}' was created again while the worker ran (id {since.input_id}, now "
                f"{now.input_id}): its offsets mean other payments than those in memory."
            )
        if now.partitions[topic] != since.partitions[topic]:
            raise Refusal(
                f"The topic '{topic}' has {now.partitions[topic]} partitions, and had {since.partitions[topic]} when "
                "the worker started: accounts stand in other partitions than their memory."
            )
