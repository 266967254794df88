"""The payments of `fraudstream up`: from the seeded generator, or from a file with a column mapping.

Generated time runs faster than the clock, so that few customers reach the requested rate and still behave like people:
with 10,000 accounts and 50 payments a second a day takes five minutes. It begins some days ago, after some days of
history, which are published as fast as they are decided. When it has reached the present, it goes on at the clock's
pace. The same seed and start give the same payments.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.label_order import Events, LabelledPayments, in_order
from fraudstream.board.run_state import RunState
from fraudstream.cli.payment_file_flags import description_of, file_failure
from fraudstream.cli.up.in_flight_payments import IN_FLIGHT_MAX, InFlightPayments
from fraudstream.cli.up.start_time import DAY_MS, start_before
from fraudstream.contracts import Label, Payment
from fraudstream.generator.label_records import EventsInOrder, events_in_order
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import GeneratedBatch, stream
from fraudstream.kafka import Brokers
from fraudstream.operations.event_publisher import EventPublisher
from fraudstream.operations.paced_publisher import EventTime, FixedRate, Publisher, Unpaced, publish_paced

if TYPE_CHECKING:
    from fraudstream.backtest.payment_file import PaymentFiles
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.backtest.topic_file import TopicFiles

HISTORY_MS: Final = 4 * DAY_MS
FILE_LABEL_DELAY_MS: Final = 7 * DAY_MS
FRAUD_SHARE: Final = 0.02  # more than in reality, so that every typology occurs within minutes
RATE: Final = 50.0
CAUGHT_UP: Final = "live: the present is reached, now at the clock's pace"
EVENTS_AT_ONCE: Final = 2_000


class EventSink(Publisher, Protocol):
    """Where a feed publishes; `TrackedPublisher` fits."""

    async def flush(self) -> None:
        """Return once everything published is acknowledged."""


class TrackedPublisher(EventPublisher):
    """Reports every payment that it publishes to `state` and `in_flight`, and waits while too many are in flight."""

    def __init__(self, brokers: Brokers, topic: str, state: RunState, in_flight: InFlightPayments) -> None:
        super().__init__(brokers, topic)
        self._state, self._in_flight_payments = state, in_flight
        self.publishing = asyncio.Lock()  # held while events are sent: take it before cancelling the caller

    async def publish(self, events: Sequence[Payment | Label]) -> None:
        """Publish events in order."""
        await self._in_flight_payments.until_fewer_than(IN_FLIGHT_MAX)
        event_ids = [event.event_id for event in events if type(event) is Payment]
        async with self.publishing:
            self._state.on_published(event_ids, len(event_ids))
            self._in_flight_payments.published(event_ids)
            await super().publish(events)


def clock_ms() -> int:
    """The time of this machine's clock, ms since the epoch, UTC."""
    return time.time_ns() // 1_000_000


class GeneratedFeed:
    """Generated payments. `rate`: payments a second of the clock, on average over a day of generated time, until that
    has reached the present. `start_ms`: when the live part begins, ms since the epoch, UTC; None: `start_before` now.

    Raises `msgspec.ValidationError` for values that the generator does not accept, `ValueError` for a start that is
    not in the past.
    """

    def __init__(
        self, seed: int, accounts: int, rate: float, start_ms: int | None = None, now_ms: Callable[[], int] = clock_ms
    ) -> None:
        content = {"seed": seed, "accounts": accounts, "history_ms": HISTORY_MS, "fraud_share": FRAUD_SHARE}
        started_ms = now_ms()
        plan = msgspec.convert(content | {"start_ms": started_ms}, GeneratorPlan)
        self.speed = rate / plan.natural_rate
        if start_ms is None:
            start_ms = start_before(started_ms, self.speed)
        elif start_ms > started_ms:
            raise ValueError("it is not in the past")
        self.plan = msgspec.convert(content | {"start_ms": start_ms}, GeneratorPlan)
        self._now_ms = now_ms
        self.description = f"generated payments, seed {seed}, {accounts:,} accounts"

    async def publish(self, publisher: EventSink, state: RunState, in_flight: InFlightPayments) -> None:
        """Publish the history; once it is decided, publish each payment at its event time. Does not end."""
        start_ms = self.plan.start_ms
        state.phase = f"history: {HISTORY_MS // DAY_MS} days of payments"
        history, live = _split(events_in_order(_with_frauds_told(stream(self.plan), state), start_ms), start_ms)
        await publish_paced(publisher, history, Unpaced(), events_at_once=EVENTS_AT_ONCE)
        await publisher.flush()
        await in_flight.until_fewer_than(1)
        in_flight.timed = True
        state.phase = f"live: 1 s shows {_span(self.speed)} of payments"
        pace = EventTime(start_ms, self.speed, now_ms=self._now_ms)
        await publish_paced(publisher, self._until_caught_up(live, state), pace, events_at_once=EVENTS_AT_ONCE)

    def _until_caught_up(self, pieces: Iterable[EventsInOrder], state: RunState) -> Iterator[EventsInOrder]:
        """The pieces unchanged; `state` is told when the first reaches beyond the present."""
        for piece in pieces:
            if len(piece.events) and piece.at_ms[-1] > self._now_ms():
                state.phase = CAUGHT_UP
            yield piece


class FileFeed:
    """The payments of files in order, `rate` a second or as fast as they are decided, and their labels when they are
    due. `report`: of the rows without a payment."""

    def __init__(self, files: PaymentFiles | TopicFiles, report: RowReport, sort: bool, rate: float | None) -> None:
        self._files, self.report, self._sort, self._rate = files, report, sort, rate
        self.description = f"payments of {description_of(files.paths)}"

    async def publish(self, publisher: EventSink, state: RunState, in_flight: InFlightPayments) -> None:
        """Publish all of them."""
        state.phase, in_flight.timed = f"live: {self.description}", True
        sequence = in_order(_with_truth(self._files.batches(self._sort), state), FILE_LABEL_DELAY_MS, clock_ms())
        pace = Unpaced() if self._rate is None else FixedRate(self._rate)
        try:
            await publish_paced(publisher, sequence, pace, events_at_once=EVENTS_AT_ONCE)
        except PaymentFileError as error:
            raise file_failure(error) from error
        finally:
            self.report.close()


def _split(pieces: Iterable[EventsInOrder], at_ms: int) -> tuple[Iterator[EventsInOrder], Iterator[EventsInOrder]]:
    """The events due before `at_ms`, and the others; read the first iterator to its end before the second."""
    source, rest = iter(pieces), list[EventsInOrder]()

    def before() -> Iterator[EventsInOrder]:
        for piece in source:
            count = int(piece.at_ms.searchsorted(at_ms))
            yield _part(piece, 0, count)
            if count < len(piece.events):
                rest.append(_part(piece, count, len(piece.events)))
                return

    return before(), itertools.chain(rest, source)


def _part(piece: EventsInOrder, first: int, last: int) -> EventsInOrder:
    return EventsInOrder(piece.events[first:last], piece.at_ms[first:last])


def _with_frauds_told(batches: Iterable[GeneratedBatch], state: RunState) -> Iterator[GeneratedBatch]:
    """The batches unchanged; `state` gets their frauds at once, the stream their reports when they come."""
    for batch in batches:
        pairs = zip(batch.payments, batch.typologies, strict=True)
        state.on_truth((p.event_id, p.account_id, typology) for p, typology in pairs if typology)
        yield batch


def _with_truth(batches: Iterable[LabelledPayments | Events], state: RunState) -> Iterator[LabelledPayments | Events]:
    """The batches unchanged; `state` gets the frauds among them."""
    for batch in batches:
        if not isinstance(batch, Events) and (batch.labels >= 0).any():
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
