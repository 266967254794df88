"""Errors of Kafka's client, and of the sockets below it, in words for people."""

from __future__ import annotations

import os
import re
import ssl
from typing import Final

from aiokafka.errors import KafkaError, KafkaTimeoutError, RequestTimedOutError

NO_ANSWER: Final = "no answer in time"
NO_BROKER: Final = "no broker answers"
_UNREACHABLE: Final = "Unable to bootstrap from"  # followed by Python's notation of the addresses
_SERVER: Final = re.compile(r"\('([^']+)', (\d+)")
_WORD: Final = re.compile(r"[A-Z][a-z]+|[A-Z]+(?![a-z])")


def kafka_error_text(error: BaseException) -> str:
    """Why a request to the brokers failed: without number, name of a class, or full stop.

    >>> from aiokafka.errors import KafkaConnectionError, LeaderNotAvailableError
    >>> kafka_error_text(KafkaConnectionError("Unable to bootstrap from [('b', 9092, <AddressFamily.AF_INET: 2>)]"))
    'no broker answers at b:9092'
    >>> kafka_error_text(LeaderNotAvailableError()), kafka_error_text(TimeoutError())
    ('leader not available', 'no answer in time')
    """
    if isinstance(error, OSError):
        return _of_socket(error)
    text = " ".join((" ".join(map(str, error.args)) if isinstance(error, KafkaError) else str(error)).split())
    if not text and isinstance(error, KafkaTimeoutError | RequestTimedOutError):
        return NO_ANSWER
    if text.startswith(_UNREACHABLE):
        return f"{NO_BROKER} at {', '.join(map(':'.join, _SERVER.findall(text)))}"
    return text.rstrip(".") or _in_words(type(error).__name__)


def _of_socket(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):  # its number is none of the system's
        return (getattr(error, "reason", None) or str(error)).replace("_", " ").lower().rstrip(".")
    if (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)
    nameless = NO_ANSWER if isinstance(error, TimeoutError) else _in_words(type(error).__name__)
    return error.strerror or str(error).rstrip(".") or nameless


def _in_words(name: str) -> str:
    """
    >>> _in_words("UnknownTopicOrPartitionError")
    'unknown topic or partition'
    """
    return " ".join(_WORD.findall(name.removesuffix("Error"))).lower()
