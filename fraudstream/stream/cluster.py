"""What a worker must know of the cluster before it joins: that it answers, that the topics are there, how many
partitions."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from fraudstream.stream.failure import Refusal, WorkerFailure
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topic_identity import topic_identity

RETRY_S_MIN = 0.2
RETRY_S_MAX = 5.0

log = logging.getLogger(__name__)


class Cluster(NamedTuple):
    """`partitions`: how many each topic has. `input_id`: see `topic_identity`."""

    partitions: Mapping[str, int]
    input_id: str


async def look_at_cluster(settings: StreamSettings) -> Cluster:
    """Wait for the brokers, up to `broker_wait_s_max`, and check the topics. Raises `WorkerFailure` or `Refusal`."""
    admin = await _connected(settings)
    try:
        # All topics, not ours by name: to ask for a topic that is not there may create it.
        partitions = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
        _check(settings, partitions)
        return Cluster(partitions, await topic_identity(admin._client, settings.payments_topic))
    finally:
        await admin.close()


def _check(settings: StreamSettings, partitions: Mapping[str, int]) -> None:
    wanted = [settings.payments_topic, settings.alerts_topic, settings.dead_letters_topic, settings.changelog_topic]
    wanted += [settings.decisions_topic] if settings.decisions else []
    wanted += [settings.labels_topic] if settings.labels_topic is not None else []
    missing = [topic for topic in wanted if topic not in partitions]
    if missing:
        raise Refusal(
            f"{settings.brokers} has no topic {', '.join(repr(topic) for topic in missing)}. "
            "Create the topics with `fraudstream topics apply`."
        )
    ours, theirs = partitions[settings.payments_topic], partitions[settings.changelog_topic]
    if ours != theirs:
        raise Refusal(
            f"'{settings.payments_topic}' has {ours} partitions, its changelog '{settings.changelog_topic}' {theirs}: "
            "accounts stand in other partitions than their memory. Stop all workers, delete the changelog and run "
            "`fraudstream topics apply`: the workers then read the payments from their beginning."
        )


async def _connected(settings: StreamSettings) -> AIOKafkaAdminClient:
    limit, retry_s = time.monotonic() + settings.broker_wait_s_max, RETRY_S_MIN
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers, client_id=f"{settings.app_id}-checks")
        try:
            await admin.start()
            return admin
        except (KafkaError, OSError) as error:
            await admin.close()
            if time.monotonic() + retry_s > limit:
                raise WorkerFailure(
                    f"No broker answered at {settings.brokers} for {settings.broker_wait_s_max:g} s ({error!r}). "
                    "Is the cluster up, and is kafka.bootstrap_servers right?"
                ) from error
            log.warning("no broker answers at %s; trying again in %.1f s", settings.brokers, retry_s)
        await asyncio.sleep(retry_s)
        retry_s = min(2 * retry_s, RETRY_S_MAX)
