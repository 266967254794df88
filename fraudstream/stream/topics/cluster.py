"""Checks before a worker joins its group: the cluster answers, authorizes it and has its topics, with the right
partition counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, TypeVar

import msgspec

from fraudstream.kafka.cluster_client import (
    ClusterClient,
    GroupNotReadableError,
    cluster_client,
    committed_offsets,
    end_offsets,
)
from fraudstream.kafka.connection_diagnosis import refusal
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.kafka.outage_logger import OutageLogger
from fraudstream.kafka.permissions import denial, missing_permissions
from fraudstream.kafka.topic_metadata import Operation
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.observer import StageObserver
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stages import changelogs_of_other_form, check_form, settle_form

RETRY_S_MIN = 0.2
RETRY_S_MAX = 2.0

T = TypeVar("T")

log = logging.getLogger(__name__)


class Cluster(NamedTuple):
    """The facts about the cluster that a stage needs.

    `partitions`: partition count of each topic. `input_id`, `changelog_id`: identity of the input topic and of the
    changelog, see `topic_identity`. `labels_read`: by partition of the labels topic, the offset up to which the
    previous state version has forwarded labels. `next_id`, `next_partitions`: identity and partition count of the topic
    to which payments are forwarded, "" and 0 for the stage that decides.
    """

    partitions: Mapping[str, int]
    input_id: str
    labels_read: Mapping[int, int]
    changelog_id: str = ""
    next_id: str = ""
    next_partitions: int = 0


async def settled(settings: StreamSettings, entities: Sequence[str]) -> StreamSettings:
    """The settings with the form of the stages settled, by the partitions of the payments topic.

    `entities`: the stages of a chain. Raises the errors of a broker, and `PermanentFailure` if the topic is missing or
    does not allow the form.
    """
    if len(entities) == 1 or settings.stages == "chain":
        return settle_form(settings, entities, 0)
    async with _client(settings) as client:
        partitions = await client.partition_counts()
    return settle_form(settings, entities, _partitions_of_payments(settings, partitions))


async def settled_unless_built_otherwise(settings: StreamSettings, entities: Sequence[str]) -> StreamSettings:
    """As `settled`, for a worker. Raises `PermanentFailure` if this state version was built in the other form, too."""
    if len(entities) == 1:
        return settle_form(settings, entities, 0)
    async with _client(settings) as client:
        partitions = await client.partition_counts()
    settings = settle_form(settings, entities, _partitions_of_payments(settings, partitions))
    others = [topic for topic in changelogs_of_other_form(settings, entities) if topic in partitions]
    ends = {topic: await end_offsets(settings.brokers, topic, range(partitions[topic])) for topic in others}
    check_form(settings, {topic: sum(end.values()) for topic, end in ends.items()})
    return settings


def _partitions_of_payments(settings: StreamSettings, partitions: Mapping[str, int]) -> int:
    """Raises `PermanentFailure` if there is no such topic."""
    if settings.payments_topic not in partitions:
        raise PermanentFailure(_missing_topics(settings, [settings.payments_topic]))
    return partitions[settings.payments_topic]


async def look_at_cluster(settings: StreamSettings, observer: StageObserver) -> Cluster:
    """Retry until a broker answers, then check the topics. Raises `PermanentFailure` for errors that a retry cannot
    fix."""
    return await until_answered(settings, observer, lambda: look_once(settings))


async def until_answered(settings: StreamSettings, observer: StageObserver, ask: Callable[[], Awaitable[T]]) -> T:
    """The result of `ask`, which is repeated until a broker answers. Raises `PermanentFailure` for errors that a retry
    cannot fix, and the other errors of `ask`."""
    outage, retry_s = OutageLogger(settings.brokers, log, consequence=": retrying", at_once=True), RETRY_S_MIN
    while True:
        try:
            answer = await ask()
            observer.on_brokers(answer=True)
            return answer
        except BROKER_ERRORS as error:
            if (sentence := denial(error, settings.brokers) or await refusal(settings.brokers)) is not None:
                raise PermanentFailure(sentence) from error
            observer.on_brokers(answer=False)
            outage.failed(error)
        await asyncio.sleep(retry_s)
        retry_s = min(2 * retry_s, RETRY_S_MAX)


async def look_once(settings: StreamSettings) -> Cluster:
    """As `look_at_cluster`, without a retry. Raises the errors of a broker and `PermanentFailure`."""
    async with _client(settings) as client:
        if settings.checkpoint_mode == "transaction":
            await _check_permissions(settings)
            await _check_transactions(settings, client)
        cluster = await _topics(settings, client)
        labels = settings.labels_topic
        if labels is None:
            return cluster
        return cluster._replace(labels_read=await _labels_read(settings, labels, cluster.partitions[labels]))


async def look_again(settings: StreamSettings) -> Cluster:
    """The facts that may change while a worker runs: the topics and their identities; `labels_read` is left empty.
    Raises the errors of a broker and `PermanentFailure`."""
    async with _client(settings) as client:
        if settings.checkpoint_mode == "transaction":
            await _check_permissions(settings)
        return await _topics(settings, client)


def _client(settings: StreamSettings) -> AbstractAsyncContextManager[ClusterClient]:
    return cluster_client(settings.brokers, f"{settings.app_id}-checks")


async def _topics(settings: StreamSettings, client: ClusterClient) -> Cluster:
    """The topics of the stage. Raises `PermanentFailure`."""
    partitions = await client.partition_counts()
    _check(settings, partitions)
    found = Cluster(
        partitions,
        await client.identity(settings.input_topic),
        {},
        changelog_id=await client.identity(settings.changelog_topic),
    )
    if (following := settings.next_topic) is None:
        return found
    return found._replace(next_id=await client.identity(following), next_partitions=partitions[following])


async def _check_permissions(settings: StreamSettings) -> None:
    """Raises `PermanentFailure` if an ACL is missing."""
    sentence = await missing_permissions(settings.brokers, _wanted(settings))
    if sentence is not None:
        raise PermanentFailure(sentence)


async def _labels_read(settings: StreamSettings, topic: str, partitions: int) -> dict[int, int]:
    """Committed offsets in the labels topic of the newest earlier state version that has any, by partition."""
    for version in range(settings.state_version - 1, 0, -1):
        group = msgspec.structs.replace(settings, state_version=version).app_id
        try:
            read = await committed_offsets(settings.brokers, group, topic, range(partitions))
        except GroupNotReadableError as error:
            log.warning("forwarding all labels again, as earlier offsets are not readable: %s", kafka_error_text(error))
            return {}
        if read:
            return read
    return {}


async def _check_transactions(settings: StreamSettings, client: ClusterClient) -> None:
    """Raises `PermanentFailure` for a broker without transactions."""
    if not await client.supports_transactions():
        raise PermanentFailure(
            f"The broker at {settings.brokers} does not support transactions (it is not Apache Kafka). Set "
            "worker.checkpoint_mode=batch, and run one worker only: without transactions there is no fencing."
        )


def _wanted(settings: StreamSettings) -> Mapping[str, Sequence[Operation]]:
    """The topics that the stage needs, each with the operations on it. Labels are forwarded from their topic to that of
    the payments, and misplaced payments copied within it."""
    labels, decides = settings.labels_topic, settings.next_topic is None
    return {
        settings.input_topic: ("READ",) if labels is None and not settings.repartitions else ("READ", "WRITE"),
        **({labels: ("READ",)} if labels is not None else {}),
        **({settings.next_topic: ("WRITE",)} if settings.next_topic is not None else {}),
        **({settings.decisions_topic: ("WRITE",)} if settings.writes_decisions else {}),
        **({settings.alerts_topic: ("WRITE",)} if decides else {}),
        **({settings.controls_topic: ("READ", "WRITE")} if decides or settings.identifier_secret is None else {}),
        settings.dead_letters_topic: ("WRITE",),
        settings.changelog_topic: ("READ", "WRITE"),
    }


def _check(settings: StreamSettings, partitions: Mapping[str, int]) -> None:
    """Raises `PermanentFailure` if a topic is missing, or if the changelog has another partition count than the
    input."""
    missing = [topic for topic in _wanted(settings) if topic not in partitions]
    if missing:
        raise PermanentFailure(_missing_topics(settings, missing))
    ours, theirs = partitions[settings.input_topic], partitions[settings.changelog_topic]
    if ours != theirs:
        raise PermanentFailure(
            f"'{settings.input_topic}' has {ours} partitions, its changelog '{settings.changelog_topic}' {theirs}: "
            "accounts would be in other partitions than their state. Stop all workers, delete the changelog and run "
            "`fraudstream topics apply`: the workers then read the payments from the beginning."
        )


def _missing_topics(settings: StreamSettings, topics: Sequence[str]) -> str:
    named = ", ".join(repr(topic) for topic in topics)
    return f"{settings.brokers} has no topic {named}. Create the topics with `fraudstream topics apply`."
