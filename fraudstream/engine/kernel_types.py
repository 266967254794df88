"""What the kernel is asked about a batch, and what it answers: arrays in named tuples, for compiled code to walk."""

from __future__ import annotations

from typing import NamedTuple

from fraudstream.engine.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    Int8Array,
    Int32Array,
    Int64Array,
    UInt16Array,
    UInt32Array,
    UInt64Array,
)

# What an event is to an entity. ASK: answered, but not remembered.
PAYMENT, LABEL, ASK = range(3)
FRESH, LATE, REPEAT, UNMATCHED, ALTERED = range(5)  # what became of it; ALTERED: it repeats another content
REPEATS = (REPEAT, ALTERED)
DONE, NEEDS_SLOTS, NEEDS_OVERFLOWS = range(3)  # why the walk stopped
EXACT, PANE, AT_LEAST = range(3)  # how a feature was answered

COUNT, SUM, MEAN, MIN, MAX, STD, DISTINCT, SHARE, SINCE_LAST, FIRST_SEEN, DISTANCE, SPEED, AGE = range(13)

# Columns of `KernelPlan.spec`, one row a feature.
AGGREGATE, WINDOW, DELAY, INCLUDES, OF, SAME, MONEY, CELL_N, CELL_V, CELL_Q, MEMO = range(11)


class KernelPlan(NamedTuple):
    """A catalogue's features of one entity, as numbers; `plan` makes it."""

    spec: Int64Array  # (features, 11)
    filter_bits: UInt32Array  # (features,): bits of the filters a payment must have passed
    cell_kind: Int64Array  # (cells,)
    cell_filter: UInt32Array  # (cells,)
    last_filter: UInt32Array  # (lasts,)
    evicted_value_field: Int64Array  # (elders,): column of `code`
    evicted_value_filter: UInt32Array  # (elders,)
    sizes: Int32Array  # block sizes
    horizon_ms: int  # the ring grows rather than let go of a payment younger than this
    pane_ms: int
    guards: bool  # this entity finds duplicates: a late payment is not remembered, for it may be one
    keeps_verdicts: bool  # its slots hold first verdicts; else repeats are answered as well, and judged elsewhere


class Events(NamedTuple):
    """A batch as one entity sees it; first axis: events, in the order of the log."""

    kind: Int8Array
    row: Int64Array  # -1: the event has no such entity
    t: Int64Array  # a label: event time of its payment, or NEVER if unknown
    amount: Int64Array
    currency: UInt16Array
    event: UInt64Array
    mask: UInt32Array
    code: UInt32Array  # (n, FIELDS_MAX)
    location: Float32Array  # (n, 2)
    label: Int8Array


class Answers(NamedTuple):
    """What the walk finds out."""

    value: Float64Array  # (features, n): NaN missing
    error: Int8Array  # (features, n): EXACT, PANE, AT_LEAST
    status: Int8Array  # (n,)
    first_score: Int32Array  # (n,): of a repeat: the score of its first verdict, or -(position + 1) in this batch
    first_verdict: Int32Array  # (n,)


class Scratch(NamedTuple):
    """A small hash set for distinct counts, cleared by moving on to the next stamp."""

    key: UInt32Array
    stamp: Int64Array
    now: Int64Array  # (1,)
    touched: Int64Array  # (1,): written only, so that no compiler leaves `_fetch` out


def repeats(status: Int8Array) -> BoolArray:
    """Which events were there before; shape as `status`."""
    found: BoolArray = (status == REPEAT) | (status == ALTERED)
    return found
