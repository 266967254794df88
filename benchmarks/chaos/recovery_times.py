"""How long decisions were late after a fault, from the broker's clock in the topics themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from benchmarks.chaos.judge import Observed
from fraudstream.cases.record import source_of

LATE_MS: Final = 1_000  # a decision that takes longer waits for something
AFTER_MS: Final = 10_000  # an outage that begins later than this after a fault is not the fault's


class Outage(NamedTuple):
    """A stretch in which at least one payment had waited for its decision too long. Milliseconds since the epoch."""

    begin_ms: int
    end_ms: int


def outages(observed: Iterable[Observed]) -> list[Outage]:
    """Stretches between the publication of a payment and a decision that came late, joined where they overlap, in order
    of time."""
    late: list[Outage] = []
    for partition in observed:
        decided: dict[int, int] = {}
        for record in partition.decisions:
            if (source := source_of(record.headers)) is not None:
                decided.setdefault(source[1], record.timestamp)
        late += [
            Outage(record.timestamp, decided[record.offset])
            for record in partition.payments
            if record.offset in decided and decided[record.offset] - record.timestamp > LATE_MS
        ]
    joined: list[Outage] = []
    for outage in sorted(late):
        if joined and outage.begin_ms <= joined[-1].end_ms:
            joined[-1] = Outage(joined[-1].begin_ms, max(joined[-1].end_ms, outage.end_ms))
        else:
            joined.append(outage)
    return joined


def first_decision_s(at_s: float, observed: Iterable[Observed]) -> float:
    """From a moment to the first decision on a payment published after it, in the slowest partition, in seconds."""
    at_ms, slowest_ms = at_s * 1000, 0.0
    for partition in observed:
        new = {record.offset for record in partition.payments if record.timestamp > at_ms}
        sources = ((source_of(record.headers), record.timestamp) for record in partition.decisions)
        decided = [timestamp for source, timestamp in sources if source is not None and source.offset in new]
        slowest_ms = max(slowest_ms, min(decided) - at_ms)
    return slowest_ms / 1000


def recovery_s(at_s: float, stretches: Sequence[Outage]) -> float:
    """From a fault to the moment when no payment waits any more, in seconds; 0 where none had to.

    Faults that follow each other closely share an outage, and each is charged for all of the rest of it.
    """
    at_ms = at_s * 1000
    for outage in stretches:
        if outage.end_ms > at_ms and outage.begin_ms < at_ms + AFTER_MS:
            return (outage.end_ms - at_ms) / 1000
    return 0.0
