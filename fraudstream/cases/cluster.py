"""What an agent checks before it joins the group: that the cluster answers, authorizes it, and has the topics."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from fraudstream.cases.emission import PlainEmission
from fraudstream.cases.failure import AgentError
from fraudstream.cases.observer import Observer
from fraudstream.cases.settings import AgentSettings
from fraudstream.kafka.cluster_client import cluster_client
from fraudstream.kafka.connection_diagnosis import refusal
from fraudstream.kafka.outage_logger import OutageLogger
from fraudstream.kafka.permissions import denial, missing_permissions
from fraudstream.kafka.topic_metadata import Operation

RETRY_S: Final = 1.0  # between two tries to reach a broker

log = logging.getLogger(__name__)


async def connect(settings: AgentSettings, emission: PlainEmission, observer: Observer) -> None:
    """Start the producers as soon as a broker answers. Raises `AgentError` for errors that a retry cannot fix."""
    brokers = settings.brokers
    outage = OutageLogger(brokers, log, consequence=": retrying", at_once=True)
    while True:
        try:
            await _check_transactions(settings)
            await _check_permissions(settings)
            await emission.start()
            return
        except (KafkaError, OSError) as error:
            if (sentence := denial(error, brokers) or await refusal(brokers)) is not None:
                raise AgentError(sentence) from error
            observer.on_brokers(answer=False)
            outage.failed(error)
        await asyncio.sleep(RETRY_S)


async def check_partitions(settings: AgentSettings, emission: PlainEmission) -> None:
    """Raises `AgentError` if a topic is missing, or if the topics differ in their partition counts."""
    topics = (*settings.input_topics, settings.case_answers_topic, settings.notices_topic, settings.cases_topic)
    try:
        counts = {topic: await emission.partitions_of(topic) for topic in topics}
    except UnknownTopicOrPartitionError as error:
        raise AgentError(
            f"One of the topics {', '.join(topics)} is missing at {settings.brokers}. Create them with "
            "`fraudstream topics apply`."
        ) from error
    if len(set(counts.values())) != 1:
        found = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
        raise AgentError(
            "alerts, case-actions, case-answers, notices, notice-answers and cases must have equally many partitions, "
            f"but {found}: see `fraudstream topics check`."
        )


async def _check_transactions(settings: AgentSettings) -> None:
    """Raises `AgentError` if cases are to be written in transactions and the brokers serve none."""
    if not settings.fenced:
        return
    async with cluster_client(settings.brokers, settings.group) as client:
        if not await client.supports_transactions():
            raise AgentError(
                f"The broker at {settings.brokers} does not support transactions (it is not Apache Kafka). Set "
                "worker.checkpoint_mode=batch, and run one case agent only: without transactions there is no fencing."
            )


async def _check_permissions(settings: AgentSettings) -> None:
    """Raises `AgentError` if an ACL is missing."""
    if not settings.fenced:
        return  # not Apache Kafka: a request that names a missing topic may create it there
    wanted: dict[str, tuple[Operation, ...]] = {
        settings.alerts_topic: ("READ",),
        settings.case_actions_topic: ("READ", "WRITE"),  # expiries of timers
        settings.case_answers_topic: ("WRITE",),
        settings.notices_topic: ("WRITE",),
        settings.notice_answers_topic: ("READ",),
        settings.cases_topic: ("READ", "WRITE"),
        settings.payments_topic: ("WRITE",),  # labels of closed cases
        settings.dead_letters_topic: ("WRITE",),
    }
    if (sentence := await missing_permissions(settings.brokers, wanted)) is not None:
        raise AgentError(sentence)
