"""What Kafka's client raises when brokers are away or a client has lost its right to write, for callers that do not
name the client library."""

from __future__ import annotations

from typing import Final

from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerFenced

from fraudstream.kafka.stall_detector import StalledError

BROKER_ERRORS: Final = (KafkaError, OSError, TimeoutError)  # a request to the brokers failed or timed out
RESTART: Final = "Started again, it continues from its last checkpoint."


def kafka_sentence(error: BaseException) -> str | None:
    """A sentence for what Kafka may do to a running worker at any time; None for any other error."""
    if isinstance(error, StalledError):
        return f"{error} {RESTART}"
    if isinstance(error, ProducerFenced):
        return f"Another worker has taken over a partition of this one ({error}). {RESTART}"
    if isinstance(error, (KafkaTimeoutError, TimeoutError)) or (isinstance(error, KafkaError) and error.retriable):
        return f"Kafka did not acknowledge this worker's records in time ({str(error) or 'no answer'}). {RESTART}"
    return None
