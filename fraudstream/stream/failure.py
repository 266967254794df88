"""How a worker leaves when it must not go on: say why, flush the log, exit at once, commit nothing more.

The supervisor (systemd, Kubernetes, `fraudstream up`) starts it again, and the next owner goes on from the last
checkpoint.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerFenced

from fraudstream.kafka.stall_detector import StalledError
from fraudstream.supervision import exit_codes

EXIT_CODE = exit_codes.RESTART
EXIT_CODE_REFUSED = exit_codes.REFUSED
GO_ON = "Started again, it goes on from its last checkpoint."


class WorkerFailure(Exception):
    """The worker cannot go on. `sentence` says what was wrong, where, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class PermanentFailure(WorkerFailure):
    """The world does not fit the worker's settings or its state: to start it again changes nothing."""


def in_words(error: BaseException) -> str | None:
    """A sentence for what Kafka may do to a worker at any time; None for what we did not foresee."""
    if isinstance(error, WorkerFailure):
        return error.sentence
    if isinstance(error, StalledError):
        return f"{error} {GO_ON}"
    if isinstance(error, ProducerFenced):
        return f"Another worker has taken over what this one held ({error}). {GO_ON}"
    if isinstance(error, (KafkaTimeoutError, TimeoutError)) or (isinstance(error, KafkaError) and error.retriable):
        return f"Kafka did not take in time what this worker had to write ({str(error) or 'no answer'}). {GO_ON}"
    return None


def exit_code(failure: BaseException) -> int:
    return EXIT_CODE_REFUSED if isinstance(failure, PermanentFailure) else EXIT_CODE


def exit_now(error: BaseException | None) -> NoReturn:
    """Leave without stopping anything: no `finally` of a library may commit what was not made durable.

    The exit code tells whether an `error` is why.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if error is None else exit_code(error))
