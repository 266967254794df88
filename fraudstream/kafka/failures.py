"""Errors of Kafka's client when brokers do not answer or a client was fenced, for callers that do not import the client
library."""

from __future__ import annotations

from typing import Final

from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerFenced

from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.stall_detector import StalledError

BROKER_ERRORS: Final = (KafkaError, OSError, TimeoutError)  # a request to the brokers failed or timed out
RESTART: Final = "After a restart it continues from its last checkpoint."


def kafka_sentence(error: BaseException) -> str | None:
    """A sentence for an error that Kafka may cause at any time; None for any other error."""
    if isinstance(error, StalledError):
        return f"{error} {RESTART}"
    if isinstance(error, ProducerFenced):
        return f"Another worker has taken over a partition of this one ({kafka_error_text(error)}). {RESTART}"
    if isinstance(error, (KafkaTimeoutError, TimeoutError)) or (isinstance(error, KafkaError) and error.retriable):
        return f"Kafka did not acknowledge this worker's records: {kafka_error_text(error)}. {RESTART}"
    return None
