"""How a worker ends when it cannot continue: it logs why, flushes the log and exits at once, committing nothing more.

The supervisor (systemd, Kubernetes, `fraudstream up`) starts it again, and the partition's next owner continues from
the last checkpoint.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn, Protocol

from fraudstream.kafka.failures import kafka_sentence
from fraudstream.kafka.permissions import denial
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.kafka import Brokers

EXIT_CODE = exit_codes.RESTART
EXIT_CODE_REFUSED = exit_codes.REFUSED

log = logging.getLogger(__name__)


class WorkerFailure(Exception):
    """The worker cannot continue. `sentence` says what was wrong, where, and what to do."""

    def __init__(self, sentence: str) -> None:
        """`sentence`: the text for the log and the operator."""
        super().__init__(sentence)
        self.sentence = sentence


class PermanentFailure(WorkerFailure):
    """The cluster does not fit the worker's settings or its state: a restart does not help."""


class NewerState(PermanentFailure):
    """A later release has saved the state in a form that this one does not know.

    The worker leaves the partition, and all others, to workers of that release.
    """


class PartitionFault(PermanentFailure):
    """One partition cannot be processed, whichever worker owns it: it stops, the others continue."""


class RecordsMissing(PartitionFault):
    """Retention deleted the records from `first` to before `next` of partition `number` before they were processed."""

    def __init__(self, sentence: str, *, number: int, first: int, next: int) -> None:
        """`sentence`: as in `WorkerFailure`."""
        super().__init__(sentence)
        self.number, self.first, self.next = number, first, next


class Freezable(Protocol):
    """The part of a partition that a failure needs."""

    frozen: bool


class ObservesFailure(Protocol):
    """The part of `StageObserver` that a failure needs."""

    def on_failure(self, sentence: str) -> None:
        """The worker is about to exit with a non-zero code."""


class StageFailure:
    """The `FailureHandler` of a stage: the first error freezes all partitions, is logged and reported.

    `error`: that error, None while there is none. `ended`: set once there is one. With `exits` the process exits
    instead: no `finally` of a library may commit what was not made durable.
    """

    def __init__(
        self, *, brokers: Brokers, partitions: Iterable[Freezable], observer: ObservesFailure, exits: bool
    ) -> None:
        """`partitions`: a live view of those that the stage holds. `brokers`: named where permissions are missing."""
        self._brokers, self._partitions, self._observer, self._exits = brokers, partitions, observer, exits
        self.error: BaseException | None = None
        self.ended = asyncio.Event()

    def fail(self, error: BaseException) -> None:
        """Stop processing, commit nothing more, report `error`, and exit if the stage is set up so."""
        if self.error is not None:
            return
        if (denied := denial(error, self._brokers)) is not None:
            error = PermanentFailure(denied)
        self.error = error
        for partition in self._partitions:
            partition.frozen = True
        words = in_words(error)
        sentence = words if words is not None else f"{type(error).__name__}: {error}"
        log.critical("%s", sentence, exc_info=error if words is None else None)
        self._observer.on_failure(sentence)
        if self._exits:
            exit_now(error)
        self.ended.set()

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        """A context in which every error but a cancellation is passed to `fail`, and then raised.

        Without it Faust would log the error and continue, or acknowledge the records that failed.
        """
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.fail(error)
            raise


def in_words(error: BaseException) -> str | None:
    """The sentence of an expected failure; None for any other error, which is logged with its traceback."""
    return error.sentence if isinstance(error, WorkerFailure) else kafka_sentence(error)


def exit_code(failure: BaseException) -> int:
    """The process's exit code for `failure`."""
    return EXIT_CODE_REFUSED if isinstance(failure, PermanentFailure) else EXIT_CODE


def exit_now(error: BaseException | None) -> NoReturn:
    """Exit the process without stopping anything, with 0 if `error` is None.

    Nothing is stopped in order, because a library's `finally` may commit what was not made durable.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if error is None else exit_code(error))
