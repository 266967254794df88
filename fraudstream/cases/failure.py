"""Why a case agent must end, as a sentence."""

from __future__ import annotations

from typing import Final

from aiokafka.errors import KafkaError, ProducerFenced

from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.stall_detector import StalledError

RESTART: Final = "After a restart it resumes where it was."


class AgentError(Exception):
    """The agent must end. `sentence` says what is wrong, where, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def in_words(reason: BaseException) -> str | None:
    """A sentence for an error that Kafka may cause at any time; None for an unforeseen error."""
    if isinstance(reason, AgentError):
        return reason.sentence
    if isinstance(reason, ProducerFenced):
        return f"Another agent has been assigned the partitions of this one ({kafka_error_text(reason)}). {RESTART}"
    if isinstance(reason, StalledError):
        return f"{reason} {RESTART}"
    if isinstance(reason, (KafkaError, TimeoutError)):
        return f"A request of the agent to Kafka failed: {kafka_error_text(reason)}. {RESTART}"
    return None
