"""Generated payments to a topic as time goes by: the past at once, the rest each when its moment has come.

    plan = GeneratorPlan(start_ms=now_ms(), accounts=20_000, rate=100, history_ms=3 * 86_400_000)
    async with EventPublisher(brokers, "payments") as publisher:
        await publish_as_time_goes(publisher, plan, label_delay_ms=60_000)

With `start_ms` now and a speed of 1, `occurred_at` is the moment of publication, to within milliseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import numpy as np

from fraudstream.backtest.label_order import LabelledPayments, in_order
from fraudstream.cli.event_publisher import EventPublisher
from fraudstream.contracts import Label
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream

EVENTS_AT_ONCE = 5_000
TICK_S = 0.005  # shortest sleep: payments closer together leave as one batch


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def publish_as_time_goes(
    publisher: EventPublisher,
    plan: GeneratorPlan,
    *,
    label_delay_ms: int,
    speed: float = 1.0,
    payments_max: int | None = None,
    published: Callable[[int, int], None] = lambda payments, labels: None,
) -> None:
    """Publish the plan's payments, and a label for each fraud when its delay has passed. Endless without
    `payments_max`.

    `speed`: seconds of event time to one on the clock; 0: do not wait at all. `published` hears of every batch.
    """
    started = time.monotonic()
    for piece in in_order(_only_frauds_labelled(plan, payments_max), label_delay_ms):
        first = 0
        while first < len(piece.events):
            last = min(first + EVENTS_AT_ONCE, len(piece.events))
            if speed:
                reached_ms = plan.start_ms + (time.monotonic() - started) * speed * 1000
                last = min(last, int(np.searchsorted(piece.at_ms, reached_ms, side="right")))
                if last <= first:
                    wait_s = (int(piece.at_ms[first]) - reached_ms) / speed / 1000
                    await asyncio.sleep(max(wait_s, TICK_S))
                    continue
            events = piece.events[first:last]
            await publisher.publish(events)
            labels = sum(type(event) is Label for event in events)
            published(len(events) - labels, labels)
            first = last


def _only_frauds_labelled(plan: GeneratorPlan, payments_max: int | None) -> Iterator[LabelledPayments]:
    """A bank hears of frauds; nobody reports that a payment was in order."""
    for batch in stream(plan, payments_max):
        yield batch._replace(labels=np.where(batch.labels == 1, 1, -1).astype(np.int8))
