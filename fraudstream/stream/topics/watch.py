"""While a worker runs, its topics must stay the ones it began with: looked at again and again.

A topic that was created again has offsets that mean other payments; partitions that were added take accounts away from
their memory. Fetching tells neither. Brokers that know an old state of the cluster may tell anything once: what two
looks in a row find wrong is so.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.topics.cluster import look_again

if TYPE_CHECKING:
    from fraudstream.stream.faust.app import StreamApp

LOOK_S = 10.0


async def watch_topics(app: StreamApp) -> None:
    """Until cancelled. Raises `PermanentFailure` when two looks in a row found topics not what they were, or not fitting."""
    doubted = False
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            await _look(app)
            doubted = False
        except PermanentFailure:
            if doubted:
                raise
            doubted = True
        except (KafkaError, OSError, TimeoutError):
            pass  # brokers that are away are told of by the lookout


async def _look(app: StreamApp) -> None:
    topic, since = app.settings.input_topic, app.cluster
    now = await look_again(app.settings)
    if now.input_id != since.input_id:
        raise PermanentFailure(
            f"The topic '{topic}' was created again while the worker ran (id {since.input_id}, now "
            f"{now.input_id}): its offsets mean other payments than those in memory."
        )
    if now.partitions[topic] != since.partitions[topic]:
        raise PermanentFailure(
            f"The topic '{topic}' has {now.partitions[topic]} partitions, and had {since.partitions[topic]} when "
            "the worker started: accounts stand in other partitions than their memory."
        )
    if (now.next_id, now.next_partitions) != (since.next_id, since.next_partitions):
        raise PermanentFailure(
            f"The topic '{app.settings.next_topic}', which payments are handed on to, was created again or given "
            "partitions while the worker ran. Started again, the worker says how to go on."
        )
