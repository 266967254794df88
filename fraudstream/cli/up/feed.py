"""The payments of `fraudstream up`: from the seeded generator, or from a file with a column mapping.

Generated time runs faster than the clock, so that few customers reach the requested rate and still behave like people:
with 10,000 accounts and 50 payments a second a day takes five minutes. It begins at a fixed time (the same seed gives
the same frauds), after some days of history, which are published as fast as they are decided.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from fraudstream.backtest.label_order import LabelledPayments, in_order
from fraudstream.board.run_state import RunState
from fraudstream.cli.event_publisher import EventPublisher
from fraudstream.cli.up.in_flight_payments import IN_FLIGHT_MAX, InFlightPayments
from fraudstream.contracts import Label, Payment
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import GeneratedBatch, stream
from fraudstream.kafka import Brokers

if TYPE_CHECKING:
    from fraudstream.backtest.payment_file import PaymentFile

DAY_MS: Final = 86_400_000
START_MS: Final = 1_735_718_400_000  # 2025-01-01T08:00:00Z, the start of a working day
HISTORY_MS: Final = 4 * DAY_MS
LABEL_DELAY_MS: Final = 2 * DAY_MS
FILE_LABEL_DELAY_MS: Final = 7 * DAY_MS
FRAUD_SHARE: Final = 0.02  # more than in reality, so that every typology occurs within minutes
RATE: Final = 50.0
EVENTS_AT_ONCE: Final = 2_000
TICK_S: Final = 0.01  # payments closer together are published as one batch


class TrackedPublisher(EventPublisher):
    """Reports every payment that it publishes to `state` and `in_flight`, and waits while too many are in flight."""

    def __init__(self, brokers: Brokers, topic: str, state: RunState, in_flight: InFlightPayments) -> None:
        super().__init__(brokers, topic)
        self._state, self._in_flight = state, in_flight
        self.publishing = asyncio.Lock()  # held while events are sent: take it before cancelling the caller

    async def publish(self, events: Sequence[Payment | Label]) -> None:
        """Publish events in order."""
        await self._in_flight.until_fewer_than(IN_FLIGHT_MAX)
        event_ids = [event.event_id for event in events if type(event) is Payment]
        async with self.publishing:
            self._state.on_published(event_ids, len(event_ids))
            self._in_flight.published(event_ids)
            await super().publish(events)


class GeneratedFeed:
    """Generated payments. `rate`: payments a second of the clock, on average over a day of generated time.

    Raises `msgspec.ValidationError` for values that the generator does not accept.
    """

    def __init__(self, seed: int, accounts: int, rate: float) -> None:
        content = {"start_ms": START_MS, "seed": seed, "accounts": accounts}
        self.plan = msgspec.convert(content | {"history_ms": HISTORY_MS, "fraud_share": FRAUD_SHARE}, GeneratorPlan)
        self.speed = rate / self.plan.natural_rate
        self.description = f"generated payments, seed {seed}, {accounts:,} accounts"

    async def publish(self, publisher: TrackedPublisher, state: RunState, in_flight: InFlightPayments) -> None:
        """Publish the history; once it is decided, each payment at its time. Ends when generated time reaches now."""
        state.phase = f"history: {HISTORY_MS // DAY_MS} days of payments"
        started: float | None = None
        for piece in in_order(_with_fraud_labels(stream(self.plan), state), LABEL_DELAY_MS):
            first = 0
            while first < len(piece.events):
                at_ms = int(piece.at_ms[first])
                if at_ms > time.time() * 1000:
                    return
                if at_ms >= self.plan.start_ms and started is None:
                    await publisher.flush()
                    await in_flight.until_fewer_than(1)
                    started, in_flight.timed = time.monotonic(), True
                    state.phase = f"live: 1 s of the clock is {_span(self.speed)} of payments"
                last = min(first + EVENTS_AT_ONCE, len(piece.events))
                if started is None:
                    last = min(last, int(piece.at_ms.searchsorted(self.plan.start_ms)))
                else:
                    reached_ms = self.plan.start_ms + (time.monotonic() - started) * self.speed * 1000
                    last = min(last, int(piece.at_ms.searchsorted(reached_ms, side="right")))
                    if last <= first:
                        await asyncio.sleep(max((at_ms - reached_ms) / self.speed / 1000, TICK_S))
                        continue
                await publisher.publish(piece.events[first:last])
                await asyncio.sleep(0)
                first = last


class FileFeed:
    """The payments of a file in order, `rate` a second or as fast as they are decided, and its labels when they are
    due."""

    def __init__(self, file: PaymentFile, sort: bool, rate: float | None) -> None:
        self._file, self._sort, self._rate = file, sort, rate
        self.description = f"payments of {file.path}"

    async def publish(self, publisher: TrackedPublisher, state: RunState, in_flight: InFlightPayments) -> None:
        """Publish the whole file."""
        state.phase, in_flight.timed = f"live: {self.description}", True
        started, sent = time.monotonic(), 0
        for piece in in_order(_with_truth(self._file.batches(self._sort), state), FILE_LABEL_DELAY_MS):
            for first in range(0, len(piece.events), self._at_once):
                if self._rate is not None:
                    await asyncio.sleep(started + sent / self._rate - time.monotonic())
                events = piece.events[first : first + self._at_once]
                await publisher.publish(events)
                await asyncio.sleep(0)
                sent += len(events)

    @property
    def _at_once(self) -> int:
        return EVENTS_AT_ONCE if self._rate is None else max(1, min(EVENTS_AT_ONCE, int(self._rate * TICK_S)))


def _with_fraud_labels(batches: Iterable[GeneratedBatch], state: RunState) -> Iterator[LabelledPayments]:
    """The batches with labels of frauds only, as nobody reports genuine payments; `state` learns the truth at once."""
    for batch in batches:
        pairs = zip(batch.payments, batch.typologies, strict=True)
        state.on_truth((p.event_id, p.account_id, typology) for p, typology in pairs if typology)
        labels = batch.labels.copy()
        labels[labels == 0] = -1
        yield batch._replace(labels=labels)


def _with_truth(batches: Iterable[LabelledPayments], state: RunState) -> Iterator[LabelledPayments]:
    """The batches as they are; `state` learns the frauds among them."""
    for batch in batches:
        if (batch.labels >= 0).any():
            pairs = zip(batch.payments, batch.labels.tolist(), strict=True)
            state.on_truth((p.event_id, p.account_id, "as labelled") for p, label in pairs if label == 1)
        yield batch


def _span(seconds: float) -> str:
    """A duration with two digits.

    >>> _span(1), _span(144), _span(7200)
    ('1 s', '2.4 min', '2 h')
    """
    for size, unit in ((3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"
