"""Why a bridge must end, as a sentence."""

from __future__ import annotations

from typing import Final

from aiokafka.errors import KafkaError, ProducerFenced

from fraudstream.bridge.schema_registry import RegistryError
from fraudstream.kafka import Brokers
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.permissions import denial

RESTART: Final = "After a restart it resumes where it was."


class BridgeError(Exception):
    """The bridge must end. `sentence`: what is wrong, where, and what to do. `permanent`: it fails again until that is
    done."""

    def __init__(self, sentence: str, *, permanent: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.permanent = permanent


def bridge_error(error: BaseException, brokers: Brokers) -> BridgeError:
    """The error in place of one of aiokafka's, or of a time-out."""
    if isinstance(error, BridgeError):
        return error
    if isinstance(error, RegistryError):
        return BridgeError(f"{error.sentence[0].upper()}{error.sentence[1:]} {RESTART}")
    if (denied := denial(error, brokers)) is not None:
        return BridgeError(denied, permanent=True)
    reason = kafka_error_text(error)
    if isinstance(error, ProducerFenced):
        return BridgeError(f"Another bridge has been assigned a partition of this one ({reason}). {RESTART}")
    what = "A request to Kafka failed" if isinstance(error, KafkaError | TimeoutError) else "The bridge failed"
    return BridgeError(f"{what} at {brokers}: {reason}. {RESTART}")
