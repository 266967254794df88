"""What an agent must know of the cluster before it joins: that it answers, lets us in, and has the topics as we need
them."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiokafka.errors import KafkaError, UnknownError, UnknownTopicOrPartitionError

from fraudstream.cases.emission import PlainEmission
from fraudstream.cases.failure import AgentError
from fraudstream.cases.observer import Observer
from fraudstream.cases.settings import AgentSettings
from fraudstream.kafka.connection_diagnosis import refusal
from fraudstream.kafka.outage_logger import OutageLogger
from fraudstream.kafka.permissions import denial, missing_permissions
from fraudstream.kafka.topic_metadata import Operation

RETRY_S: Final = 1.0  # between two tries to reach a broker

log = logging.getLogger(__name__)


async def connect(settings: AgentSettings, emission: PlainEmission, observer: Observer) -> None:
    """Start the producers, as soon as a broker answers. Raises `AgentError` where to ask again would change nothing."""
    brokers = settings.brokers
    outage = OutageLogger(brokers, log, consequence=": retrying", at_once=True)
    while True:
        try:
            await _check_permissions(settings)
            return await emission.start()
        except UnknownError as error:  # how the embedded broker answers the first request of an idempotent producer
            raise AgentError(
                f"The broker at {brokers} has no transactions (it is no Apache Kafka). Set "
                "worker.checkpoint_mode=batch, and run one case agent only: without transactions nobody is fenced."
            ) from error
        except (KafkaError, OSError) as error:
            if (sentence := denial(error, brokers) or await refusal(brokers)) is not None:
                raise AgentError(sentence) from error
            observer.on_brokers(answer=False)
            outage.failed(error)
        await asyncio.sleep(RETRY_S)


async def check_partitions(settings: AgentSettings, emission: PlainEmission) -> None:
    """Raises `AgentError` if a topic is missing, or has other partitions than the rest."""
    topics = (*settings.input_topics, settings.cases_topic)
    try:
        counts = {topic: await emission.partitions_of(topic) for topic in topics}
    except UnknownTopicOrPartitionError as error:
        raise AgentError(
            f"{settings.brokers} lacks one of the topics {', '.join(topics)}. Create them with "
            "`fraudstream topics apply`."
        ) from error
    if len(set(counts.values())) != 1:
        found = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
        raise AgentError(
            f"alerts, case-actions and cases must have equally many partitions, but {found}:"
            " see `fraudstream topics check`."
        )


async def _check_permissions(settings: AgentSettings) -> None:
    if not settings.fenced:
        return  # no Apache Kafka: a broker that may create a topic that it is asked for by name
    wanted: dict[str, tuple[Operation, ...]] = {
        settings.alerts_topic: ("READ",),
        settings.case_actions_topic: ("READ",),
        settings.cases_topic: ("READ", "WRITE"),
        settings.payments_topic: ("WRITE",),  # labels of closed cases
        settings.dead_letters_topic: ("WRITE",),
    }
    if (sentence := await missing_permissions(settings.brokers, wanted)) is not None:
        raise AgentError(sentence)
