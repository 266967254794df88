"""The one writer of a process's audit events: in order, in one chain, durable before an action takes place.

Actions, unmaskings and exports wait for `record`, and do not take place if it fails. Views use `note`, which does not
wait: an analyst is not slowed down by the log, and a short outage of Kafka does not stop their reading. What waits is
bounded; beyond that `note` fails too, and the page is not shown, as a view without a record is what the log is there to
prevent.

A write that fails may still have reached the log. So the next record begins a new chain, which names the heads that it
finds: no sequence is ever written twice.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from aiokafka.errors import KafkaError

from fraudstream.audit.chain import Chain
from fraudstream.contracts.audit_record import AuditEvent, ChainHead
from fraudstream.kafka.error_text import kafka_error_text

WAITING_MAX: Final = 10_000
WRITE_S_MAX: Final = 5.0
RETRY_S: Final = 1.0
AT_ONCE_MAX: Final = 500
COMMAND_LINE: Final = "command line"  # as the address of an event

log = logging.getLogger(__name__)


class AuditUnavailableError(Exception):
    """The event could not be recorded, so what it is about must not take place."""


class AuditSink(Protocol):
    """Where records go: the topic `audit`. Methods raise `KafkaError` or `OSError`."""

    async def heads(self) -> Sequence[ChainHead]:
        """The heads of the chains near the end of the log."""

    async def write(self, values: Sequence[bytes]) -> None:
        """Append records, in order; returns once they are durable."""


class AuditLog(Protocol):
    """Takes audit events."""

    @property
    def is_failing(self) -> bool:
        """Whether the last write failed, and none has succeeded since."""

    async def record(self, event: AuditEvent) -> None:
        """Returns once the event is durable. Raises `AuditUnavailableError`."""

    def note(self, event: AuditEvent) -> None:
        """Record the event soon. Raises `AuditUnavailableError` if too many wait."""


class _Waiting(NamedTuple):
    event: AuditEvent
    done: asyncio.Future[None] | None


class AuditWriter:
    """An `AuditLog` on a sink; `run` does the writing. `now_ms`: the clock, ms since the epoch, UTC."""

    def __init__(
        self,
        sink: AuditSink,
        now_ms: Callable[[], int],
        *,
        waiting_max: int = WAITING_MAX,
        write_s_max: float = WRITE_S_MAX,
        retry_s: float = RETRY_S,
    ) -> None:
        self._sink, self._now_ms = sink, now_ms
        self._waiting_max, self._write_s_max, self._retry_s = waiting_max, write_s_max, retry_s
        self._waiting: deque[_Waiting] = deque()
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._chain: Chain | None = None
        self.is_failing = False

    async def record(self, event: AuditEvent) -> None:
        """See `AuditLog`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(event, done)
        self._put(waiting)
        try:
            async with asyncio.timeout(self._write_s_max):
                await done
        except TimeoutError:
            with suppress(ValueError):
                self._waiting.remove(waiting)
            raise AuditUnavailableError from None

    def note(self, event: AuditEvent) -> None:
        """See `AuditLog`. Events of nobody take half of the room at most: a stranger must not stop the others."""
        self._put(_Waiting(event, None))

    async def run(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await self._woken.wait()
            await self._write_next()

    async def stop(self, within_s: float) -> None:
        """Wait until all is written, and end the chain. `run` must still be running."""
        self._put(_Waiting(AuditEvent(self._now_ms(), "stop", "done", COMMAND_LINE), None), limited=False)
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        if self._waiting:
            log.error("%d audit events were not written", len(self._waiting))

    def _put(self, waiting: _Waiting, *, limited: bool = True) -> None:
        room = self._waiting_max if waiting.event.actor is not None else self._waiting_max // 2
        if limited and len(self._waiting) >= room:
            raise AuditUnavailableError
        self._waiting.append(waiting)
        self._idle.clear()
        self._woken.set()

    async def _write_next(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE_MAX))]
        try:
            if self._chain is None:
                self._chain = Chain(secrets.token_hex(16), await self._sink.heads())
                await self._sink.write([self._chain.link(AuditEvent(self._now_ms(), "start", "done", COMMAND_LINE))])
            await self._sink.write([self._chain.link(waiting.event) for waiting in batch])
        except (KafkaError, OSError) as error:
            self._on_failure(batch, error)
            await asyncio.sleep(self._retry_s)
            return
        self.is_failing = False
        for waiting in batch:
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_result(None)
        if not self._waiting:
            self._woken.clear()
            self._idle.set()

    def _on_failure(self, batch: Sequence[_Waiting], error: Exception) -> None:
        if not self.is_failing:
            log.error("the audit log cannot be written: %s", kafka_error_text(error))
        self.is_failing = True
        self._chain = None
        for waiting in reversed(batch):
            if waiting.done is None:
                self._waiting.appendleft(waiting)
            elif not waiting.done.done():
                waiting.done.set_exception(AuditUnavailableError())
        if not self._waiting:
            self._woken.clear()
            self._idle.set()
