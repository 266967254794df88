"""Clocks, compared by the newest payments: of the publisher (`occurred_at`), of the broker (the record's timestamp) and
of this machine.

Reading tells that a clock is ahead, not that it is behind: a payment may be published late.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_CREATE_TIME: Final = 0


class Stamped(NamedTuple):
    """A payment's two times, ms since the epoch. `by_broker`: whether the broker's clock gave `published_ms`."""

    partition: int
    offset: int
    occurred_ms: int
    published_ms: int
    by_broker: bool


async def newest_payments(brokers: Brokers, topic: str) -> list[Stamped]:
    """The newest valid payments of each partition. Raises `NoTopicError`, `StalledError`, aiokafka's errors."""
    found = []
    async with TopicReader(brokers, committed_only=False, client_id="fraudstream-doctor", limit_s=READ_S_MAX) as reader:
        numbers = (await reader.partitions(topic))[:PARTITIONS_MAX]
        for number, (begin, end) in (await reader.extents(topic, numbers)).items():
            async for records in reader.forward(topic, number, max(begin, end - SAMPLE_RECORDS), end):
                ours = [r for r in records if CONTROL_HEADER not in r.headers and LABEL_HEADER not in r.headers]
                for record, event in zip(ours, decode([r.value for r in ours]), strict=True):
                    if isinstance(event, Payment):
                        occurred_ms = time_ms(event.occurred_at)
                        by_broker = record.timestamp_type != _CREATE_TIME
                        found.append(Stamped(number, record.offset, occurred_ms, record.timestamp, by_broker))
    return found


def clock_findings(topic: str, payments: Sequence[Stamped], *, now_ms: int, too_far_ahead_ms: int) -> list[Finding]:
    """Which clocks are ahead. `now_ms`: of this machine, read after the payments."""
    if not payments:
        return [Finding(CHECK, "ok", topic, "no payment to compare clocks by yet")]
    findings = []
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
    return findings or [Finding(CHECK, "ok", topic, f"no clock is ahead, by {len(payments)} payments")]


def _text(ms: int) -> str:
    return (
        f"{ms / 1000:.0f} s"
        if ms < 120_000
        else f"{ms / 60_000:.0f} min"
        if ms < 7_200_000
        else f"{ms / 3_600_000:.1f} h"
    )
