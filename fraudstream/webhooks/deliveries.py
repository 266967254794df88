"""Delivers the events of one endpoint: those of one case in order, others side by side, each until it has arrived.

    attempt ──► 2xx: delivered
            ──► 410: the endpoint is gone; everything stays where it is
            ──► else: again after a random time of up to 1, 2, 4, … seconds, at most `BACKOFF_S_MAX`; once the record
                is older than the set age, it is a dead letter

A record is finished once all its events are. The position of a partition is its first record that is not finished, so
whoever goes on from there repeats events, with the same ids, and leaves none out.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from aiokafka import TopicPartition

from fraudstream.webhooks.events import WebhookEvent
from fraudstream.webhooks.observer import Observer
from fraudstream.webhooks.sender import Delivered, Failed, Gone, Outcome

PENDING_MAX: Final = 1_000
AT_ONCE_MAX: Final = 8
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_S_MAX: Final = 600.0
LOG_INTERVAL_S: Final = 5.0

log = logging.getLogger(__name__)


class RecordPlace(NamedTuple):
    """Where a record is, and when it was published, ms since the epoch."""

    tp: TopicPartition
    offset: int
    published_at_ms: int


class Delivery(NamedTuple):
    """An event on its way. `body`: as the endpoint gets it."""

    event: WebhookEvent
    body: bytes
    place: RecordPlace


class Send(Protocol):
    """Makes one attempt: `sender.Sender.send`."""

    def __call__(self, event_id: str, body: bytes) -> Awaitable[Outcome]:
        """The outcome."""


GiveUp = Callable[[Delivery, str], Awaitable[None]]  # keeps an event as a dead letter, with a sentence


class Deliveries:
    """The events of the endpoint `name`. `retry_for_ms`: age of a record at which it is given up. `draw`: a random
    number from 0 to 1; `now_ms`: the clock."""

    def __init__(
        self,
        name: str,
        send: Send,
        give_up: GiveUp,
        observer: Observer,
        *,
        retry_for_ms: int,
        now_ms: Callable[[], int],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.gone = asyncio.Event()
        self.failure: BaseException | None = None
        self._name, self._send, self._give_up, self._observer = name, send, give_up, observer
        self._retry_for_ms, self._now_ms, self._draw = retry_for_ms, now_ms, draw
        self._queues: dict[str, deque[Delivery]] = {}  # by subject
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)
        self._unfinished: dict[TopicPartition, dict[int, int]] = {}  # by offset, ascending: events that are left
        self._next: dict[TopicPartition, int] = {}
        self._logged_at_s = -LOG_INTERVAL_S
        self._published_at_ms: dict[tuple[TopicPartition, int], int] = {}

    @property
    def pending(self) -> int:
        """Events that are not finished."""
        return sum(map(len, self._queues.values()))

    @property
    def has_room(self) -> bool:
        """Whether more records should be read."""
        return self.pending < PENDING_MAX

    def add(self, place: RecordPlace, deliveries: Sequence[Delivery]) -> None:
        """Deliver the events of a record, which is after those added before from its partition."""
        self._next[place.tp] = place.offset + 1
        if not deliveries:
            return
        self._unfinished.setdefault(place.tp, {})[place.offset] = len(deliveries)
        self._published_at_ms[place.tp, place.offset] = place.published_at_ms
        for delivery in deliveries:
            queue = self._queues.get(delivery.event.subject)
            if queue is not None:
                queue.append(delivery)
                continue
            self._queues[delivery.event.subject] = deque([delivery])
            task = asyncio.create_task(self._deliver_all(delivery.event.subject))
            self._tasks.add(task)
            task.add_done_callback(self._on_done)

    def positions(self) -> dict[TopicPartition, int]:
        """By partition, the offset from which a successor has to go on."""
        return {tp: next(iter(self._unfinished.get(tp) or (end,))) for tp, end in self._next.items()}

    def report(self) -> None:
        """Tell the observer what is pending."""
        oldest_ms = min(self._published_at_ms.values(), default=None)
        age_ms = 0 if oldest_ms is None else max(self._now_ms() - oldest_ms, 0)
        self._observer.on_pending(self._name, events=self.pending, oldest_ms=age_ms)

    async def stop(self) -> None:
        """End all attempts, and forget every event and position."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kept in (self._queues, self._unfinished, self._next, self._published_at_ms):
            kept.clear()

    async def _deliver_all(self, subject: str) -> None:
        """Deliver the events of a subject, one after the other, until there are none."""
        queue = self._queues[subject]
        while queue:
            await self._deliver(queue[0])
            self._finish(queue.popleft().place)
        del self._queues[subject]

    async def _deliver(self, delivery: Delivery) -> None:
        attempts = 0
        while True:
            async with self._at_once:
                if self.gone.is_set():
                    await asyncio.Event().wait()  # until `stop`
                started_s = time.monotonic()
                outcome = await self._send(delivery.event.event_id, delivery.body)
                seconds = time.monotonic() - started_s
            attempts += 1
            match outcome:
                case Delivered():
                    self._observer.on_delivered(self._name, kind=delivery.event.kind, seconds=seconds)
                    return
                case Gone():
                    self._on_gone()
                    continue
                case Failed(sentence, retry_after_s):
                    self._observer.on_failed(self._name, seconds=seconds)
                    self._log_failure(delivery, attempts, sentence)
                    if self._now_ms() - delivery.place.published_at_ms >= self._retry_for_ms:
                        await self._give_up(delivery, f"attempt {attempts}: {sentence}.")
                        self._observer.on_undelivered(self._name)
                        log.error("%s: %s is given up: %s", self._name, delivery.event.event_id, sentence)
                        return
                    await asyncio.sleep(self._backoff_s(attempts, retry_after_s))

    def _backoff_s(self, attempts: int, retry_after_s: float | None) -> float:
        """Seconds until the next attempt: random, so that events that failed together do not come back together."""
        most_s = min(BACKOFF_FIRST_S * float(2 ** min(attempts - 1, 20)), BACKOFF_S_MAX)
        return max(self._draw() * most_s, retry_after_s or 0.0)

    def _log_failure(self, delivery: Delivery, attempts: int, sentence: str) -> None:
        """Log one of many: an endpoint that is down fails for every event."""
        now_s = time.monotonic()
        if now_s - self._logged_at_s > LOG_INTERVAL_S:
            self._logged_at_s = now_s
            message = "%s: %s was not delivered (attempt %d; %d events are pending): %s"
            log.warning(message, self._name, delivery.event.event_id, attempts, self.pending, sentence)

    def _on_gone(self) -> None:
        if not self.gone.is_set():
            log.error(
                "%s has answered 410: it gets no more webhooks. Remove it from the file, or mend it and start again: "
                "it then gets what it has missed",
                self._name,
            )
            self.gone.set()
            self._observer.on_gone(self._name)

    def _finish(self, place: RecordPlace) -> None:
        left = self._unfinished[place.tp]
        left[place.offset] -= 1
        if left[place.offset] == 0:
            del left[place.offset]
            del self._published_at_ms[place.tp, place.offset]

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = error  # such as a dead letter that could not be written
