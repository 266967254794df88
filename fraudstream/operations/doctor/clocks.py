"""Clocks, compared by the newest payments: of the publisher (`occurred_at`), of the broker (the record's timestamp) and
of this machine.

Ahead is a payment that occurred after it was published, or was published after it was read here. Behind looks like a
payment that was published late, so it takes more: of publishers, that no payment at all was on time; of the broker,
payments that arrive while the topic is watched, with a time before the watch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from fraudstream.contracts import Payment
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.engine.columns import time_ms
from fraudstream.engine.decode import decode
from fraudstream.kafka import Brokers
from fraudstream.kafka.topic_reader import TopicReader
from fraudstream.operations.doctor.finding import Finding

CHECK: Final = "clocks"
SAMPLE_RECORDS: Final = 100  # of each partition
PARTITIONS_MAX: Final = 64
READ_S_MAX: Final = 15.0
AHEAD_MS_MAX: Final = 5_000
BEHIND_MS_MAX: Final = 5_000  # of the broker
LATE_MS_MAX: Final = 300_000  # of the payment that is published soonest
WATCH_S: Final = 3.0
POLL_S: Final = 0.2
_CREATE_TIME: Final = 0


class Stamped(NamedTuple):
    """A payment's two times, ms since the epoch. `by_broker`: whether the broker's clock gave `published_ms`."""

    partition: int
    offset: int
    occurred_ms: int
    published_ms: int
    by_broker: bool


class Watched(NamedTuple):
    """Payments of a topic. `newest`: those that were there; `arrived`: those that came after `since_ms`, of this
    machine's clock."""

    newest: Sequence[Stamped]
    arrived: Sequence[Stamped] = ()
    since_ms: int = 0


async def watched_payments(brokers: Brokers, topic: str, *, clock_ms: Callable[[], int]) -> Watched:
    """The newest valid payments of each partition, and those of the first that come within `WATCH_S`.

    `clock_ms`: this machine's clock. Raises `NoTopicError`, `StalledError`, aiokafka's errors.
    """
    async with TopicReader(brokers, committed_only=False, client_id="fraudstream-doctor", limit_s=READ_S_MAX) as reader:
        numbers = (await reader.partitions(topic))[:PARTITIONS_MAX]
        extents = await reader.extents(topic, numbers)
        newest = [
            payment
            for number, (begin, end) in extents.items()
            for payment in await _payments(reader, topic, number, max(begin, end - SAMPLE_RECORDS), end)
        ]
        if not newest:
            return Watched(newest)
        before, since_ms = await reader.extents(topic, numbers), clock_ms()
        limit_s = time.monotonic() + WATCH_S
        while True:
            now = await reader.extents(topic, numbers)
            grown = {number: (before[number].end, now[number].end) for number in numbers}
            arrived = [
                payment
                for number, (begin, end) in grown.items()
                if begin < end
                for payment in await _payments(reader, topic, number, begin, min(end, begin + SAMPLE_RECORDS))
            ]
            if arrived or time.monotonic() > limit_s:
                return Watched(newest, arrived, since_ms)
            await asyncio.sleep(POLL_S)


async def _payments(reader: TopicReader, topic: str, number: int, begin: int, end: int) -> list[Stamped]:
    """The valid payments from offset `begin` to before `end` of a partition."""
    found = []
    async for records in reader.forward(topic, number, begin, end):
        ours = [r for r in records if CONTROL_HEADER not in r.headers and LABEL_HEADER not in r.headers]
        for record, event in zip(ours, decode([r.value for r in ours]), strict=True):
            if isinstance(event, Payment):
                by_broker = record.timestamp_type != _CREATE_TIME
                found.append(Stamped(number, record.offset, time_ms(event.occurred_at), record.timestamp, by_broker))
    return found


def clock_findings(topic: str, watched: Watched, *, now_ms: int, too_far_ahead_ms: int) -> list[Finding]:
    """Which clocks are ahead or behind. `now_ms`: of this machine, read after the payments."""
    payments = [*watched.newest, *watched.arrived]
    if not payments:
        return [Finding(CHECK, "ok", topic, "no payment to compare clocks by yet")]
    findings = [*_publishers_behind(topic, payments), *_broker_behind(topic, watched)]
    occurred = max(payments, key=lambda payment: payment.occurred_ms - payment.published_ms)
    if (ahead := occurred.occurred_ms - occurred.published_ms) > AHEAD_MS_MAX:
        dead = ahead > too_far_ahead_ms
        count = sum(payment.occurred_ms - payment.published_ms > AHEAD_MS_MAX for payment in payments)
        findings.append(
            Finding(
                CHECK,
                "error" if dead else "warning",
                f"{topic}-{occurred.partition}, offset {occurred.offset}",
                f"{count} of {len(payments)} payments occurred after they were published, by up to {_text(ahead)}"
                + (": dead letters (worker.too_far_ahead)" if dead else ""),
                "set the clocks of the publishers by NTP, and send occurred_at in UTC or with its offset",
            )
        )
    newest = max(payments, key=lambda payment: payment.published_ms)
    if (ahead := newest.published_ms - now_ms) > AHEAD_MS_MAX:
        whose = "the broker's clock" if newest.by_broker else "a publisher's clock"
        findings.append(
            Finding(
                CHECK,
                "error",
                f"{topic}-{newest.partition}, offset {newest.offset}",
                f"{whose} is {_text(ahead)} ahead of this machine's, or this one is behind",
                "set all clocks by NTP (chronyc tracking)",
            )
        )
    unstamped = sum(not payment.by_broker for payment in payments)
    if unstamped:
        what = f"{unstamped} of {len(payments)} payments carry their publisher's time, not the broker's"
        findings.append(Finding(CHECK, "warning", topic, what, "message.timestamp.type=LogAppendTime"))
    return findings or [Finding(CHECK, "ok", topic, f"no clock is ahead or behind, by {len(payments)} payments")]


def _publishers_behind(topic: str, payments: Sequence[Stamped]) -> Iterator[Finding]:
    """Where even the payment that was published soonest was late."""
    soonest = min(payments, key=lambda payment: payment.published_ms - payment.occurred_ms)
    if (late := soonest.published_ms - soonest.occurred_ms) > LATE_MS_MAX:
        yield Finding(
            CHECK,
            "warning",
            f"{topic}-{soonest.partition}, offset {soonest.offset}",
            f"all {len(payments)} payments were published {_text(late)} or more after they occurred: the publishers' "
            "clocks are behind, occurred_at is in another zone, or they wait that long",
            "set the clocks of the publishers by NTP, and send occurred_at in UTC or with its offset",
        )


def _broker_behind(topic: str, watched: Watched) -> Iterator[Finding]:
    """By payments that have arrived after the watch began, with an earlier time of the broker."""
    by_broker = [payment for payment in watched.arrived if payment.by_broker]
    if not by_broker:
        return
    earliest = min(by_broker, key=lambda payment: payment.published_ms)
    if (behind := watched.since_ms - earliest.published_ms) > BEHIND_MS_MAX:
        yield Finding(
            CHECK,
            "error",
            f"{topic}-{earliest.partition}, offset {earliest.offset}",
            f"the broker's clock is {_text(behind)} or more behind this machine's, or this one is ahead",
            "set all clocks by NTP (chronyc tracking)",
        )


def _text(ms: int) -> str:
    return (
        f"{ms / 1000:.0f} s"
        if ms < 120_000
        else f"{ms / 60_000:.0f} min"
        if ms < 7_200_000
        else f"{ms / 3_600_000:.1f} h"
    )
