"""How long decisions were delayed after a fault, by the broker timestamps in the topics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from aiokafka import ConsumerRecord

from benchmarks.chaos.observed import Observed
from fraudstream.cases.held import Source
from fraudstream.cases.record import source_of
from fraudstream.contracts.headers import FEATURES_HEADER
from fraudstream.engine.engine import Engine

LATE_MS: Final = 1_000  # a decision that takes longer counts as delayed
AFTER_MS: Final = 10_000  # an outage that begins later after a fault is not attributed to it


class Outage(NamedTuple):
    """An interval in which at least one payment waited too long for its decision; ms since the epoch."""

    begin_ms: int
    end_ms: int


def outages(observed: Sequence[Observed], engine: Engine | None = None) -> list[Outage]:
    """Intervals between a payment and its delayed decision, merged where they overlap, in order of time.

    `engine`: engine of the deciding stage, if other stages precede it.
    """
    decided: dict[Source, int] = {}
    for record in (record for partition in observed for record in partition.decisions):
        if (source := source_of(record.headers)) is not None:
            decided[source] = min(record.timestamp, decided.get(source, record.timestamp))
    late: list[Outage] = []
    for partition in observed:
        of_log = [(record, decided.get(Source(partition.number, record.offset))) for record in partition.stages[-1].log]
        answered = [(record, at_ms) for record, at_ms in of_log if at_ms is not None]
        arrivals = _arrived_ms([record for record, _ in answered], engine)
        ends = [at_ms for _, at_ms in answered]
        late += [Outage(*times) for times in zip(arrivals, ends, strict=True) if times[1] - times[0] > LATE_MS]
    joined: list[Outage] = []
    for outage in sorted(late):
        if joined and outage.begin_ms <= joined[-1].end_ms:
            joined[-1] = Outage(joined[-1].begin_ms, max(joined[-1].end_ms, outage.end_ms))
        else:
            joined.append(outage)
    return joined


def first_decision_s(at_s: float, observed: Iterable[Observed]) -> float:
    """Seconds from `at_s` to the first decision on a payment published after it, in the slowest partition."""
    at_ms, slowest_ms = at_s * 1000, 0.0
    for partition in observed:
        new = {record.offset for record in partition.payments if record.timestamp > at_ms}
        sources = ((source_of(record.headers), record.timestamp) for record in partition.decisions)
        decided = [timestamp for source, timestamp in sources if source is not None and source.offset in new]
        slowest_ms = max(slowest_ms, min(decided) - at_ms)
    return slowest_ms / 1000


def recovery_s(at_s: float, stretches: Sequence[Outage]) -> float:
    """Seconds from a fault until no payment waits any more; 0 if none had to.

    Faults in close succession share an outage; the remainder of it counts for each.
    """
    at_ms = at_s * 1000
    for outage in stretches:
        if outage.end_ms > at_ms and outage.begin_ms < at_ms + AFTER_MS:
            return (outage.end_ms - at_ms) / 1000
    return 0.0


def _arrived_ms(payments: Sequence[ConsumerRecord], engine: Engine | None) -> list[int]:
    """Time at which each payment entered the log of the first stage, ms since the epoch."""
    if engine is None or engine.is_first:
        return [payment.timestamp for payment in payments]
    forwarded = engine.codec_in.unpack([dict(payment.headers)[FEATURES_HEADER] for payment in payments])
    return [int(at_ms) for at_ms in forwarded.arrived_at_ms]
