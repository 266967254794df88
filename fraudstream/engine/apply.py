"""Records of one partition's log to verdicts, without I/O: read events, check keys and sources, apply to the state.

The worker calls `apply`, and so does every re-run of a log. The result does not depend on how the log is split into
calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fraudstream.contracts.log_record import LogRecord
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.columns import Rejection
from fraudstream.engine.engine import Engine, ForwardedEvents
from fraudstream.engine.intake import Taken
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.placement import Misplaced
from fraudstream.engine.records import Records, records_of
from fraudstream.engine.verdict import Verdicts


class ApplyResult(NamedTuple):
    """What applying records produced.

    `positions`: index of each payment of `verdicts` among the records; int64. `refused`: rejected records, in order;
    their `position` is the index of the record. `events`: number of payments and labels applied. `dropped`: number of
    records that were sent before, by the previous stage or as a copy to this partition. `arrived_at_ms`: of each
    payment, when the first stage's log received it, ms since the epoch; int64. `misplaced`: records of the first stage
    whose key belongs to another partition; the policy of the state's `placement` says whether they were applied or
    refused too.
    """

    verdicts: Verdicts
    positions: Int64Array
    refused: list[Rejection]
    events: int
    dropped: int
    arrived_at_ms: Int64Array
    misplaced: tuple[Misplaced, ...] = ()


class ForwardResult(NamedTuple):
    """As `ApplyResult`, in a stage before the last. `positions`: index of the record of each of the `forwarded`;
    int64."""

    forwarded: ForwardedEvents
    positions: Int64Array
    refused: list[Rejection]
    events: int
    dropped: int
    misplaced: tuple[Misplaced, ...] = ()


def apply(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> ApplyResult:
    """Apply records to the state, in order, and decide each payment by the records before it.

    Raises `OtherFeatures` where the previous stage ran under another catalogue.
    """
    taken, read = _taken(engine, state, records)
    verdicts = engine.decide(taken.batch, state, taken.forwarded)
    arrived = _arrived_at_ms(taken, read)
    return ApplyResult(
        verdicts=verdicts,
        positions=verdicts.positions,
        refused=taken.batch.rejected,
        events=taken.events,
        dropped=taken.dropped,
        arrived_at_ms=taken.batch.of_payments(arrived),
        misplaced=taken.misplaced,
    )


def apply_and_forward(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> ForwardResult:
    """As `apply`, in a stage before the last: apply records to the state and return the events for the next stage."""
    taken, read = _taken(engine, state, records)
    forwarded = engine.forward_batch(taken.batch, state, _arrived_at_ms(taken, read), taken.forwarded)
    return ForwardResult(
        forwarded=forwarded,
        positions=forwarded.positions,
        refused=taken.batch.rejected,
        events=taken.events,
        dropped=taken.dropped,
        misplaced=taken.misplaced,
    )


def _taken(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> tuple[Taken, Records]:
    """The events of records, and the records in one buffer. In a later stage, advances the state's `sources`."""
    read = records_of(records)
    if len(read):
        state.begin(int(read.spans.timestamp_ms[0]))
    return engine.intake.take(state, read), read


def _arrived_at_ms(taken: Taken, records: Records) -> Int64Array:
    """When each event of the batch arrived in the first stage's log, ms since the epoch: int64."""
    if taken.forwarded is not None:
        return taken.forwarded.arrived_at_ms
    arrived: Int64Array = records.spans.timestamp_ms[taken.batch.positions]
    return arrived
