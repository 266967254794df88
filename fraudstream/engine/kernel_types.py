"""The kernel's input and output: arrays in named tuples, which compiled code reads without a Python object."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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

# Kind of an event. ASK: a payment that is answered, but not added to the state. NAMED_LABEL: a label that is looked for
# in the rows of the entities that it names alone, because the first stage has not found its payment in the label index.
PAYMENT, LABEL, ASK, NAMED_LABEL = range(4)
# Status of an event. FRESH: added to the state. LATE: from before `floor_ms`, or a copy of a payment that left at it.
# REPEAT: the payment was there before; ALTERED: it was, with other content. UNMATCHED: a label whose payment is not
# found. NAMED: a label whose payment is found in a ring, by an entity that the label names, but not in the label index.
FRESH, LATE, REPEAT, UNMATCHED, ALTERED, NAMED = range(6)
REPEATS = (REPEAT, ALTERED)
UNRELATED, REVERSAL, CAPTURE = range(3)  # how a payment relates to an earlier one
DONE, NEEDS_SLOTS, NEEDS_OVERFLOWS = range(3)  # why `kernel.update` returned
# How a feature was answered. EXACT: by its definition. PANE: payments up to one pane outside the window may count.
# AT_LEAST: from the payments still held; others that belong to the window have left the ring. UNCORRECTED: a payment
# that was taken back or captured after it had left the ring may count, with its old amount.
EXACT, PANE, AT_LEAST, UNCORRECTED = range(4)

# Columns of `KernelPlan.spec`. AGGREGATE: its id. WINDOW, DELAY: ms. INCLUDES: 1 if the current payment may count.
# OF: column of `code`, or a label; SAME: column of `code`; -1 if the feature has none. MONEY: 1 if only payments in the
# current payment's currency count. CELL_N, CELL_V, CELL_Q: cells of a pane with the count, the value and the sum of
# squares, or -1. OVERFLOW_COLUMN: column of `last_ms` or of `evicted_value`, or -1. PRIOR: in millionths; STRENGTH:
# payments; -1 if the aggregate takes none.
AGGREGATE, WINDOW, DELAY, INCLUDES, OF, SAME, MONEY, CELL_N, CELL_V, CELL_Q, OVERFLOW_COLUMN = range(11)
PRIOR, STRENGTH, LAST = 11, 12, 13
SPEC_COLUMNS = 14
PRIOR_UNIT = 1_000_000
# Values of OF that are neither a column nor a label: what is read of a payment instead.
LOG_AMOUNT, HOUR, WEEKDAY, TIME_OF_DAY = -2, -3, -4, -5


class KernelPlan(NamedTuple):
    """A catalogue's features of one entity, as numbers; `plan.plan_entity` makes it. Not changed afterwards.

    A *filter* is a set of bits: `arena.COUNTED` and one for a `where` of the entity. A payment passes if its mask has
    all of them.
    """

    spec: Int64Array  # (features, SPEC_COLUMNS), ordered by delay, then window
    filter_bits: UInt32Array  # (features,): the filter of each feature
    filtered: bool  # a feature has a `where`
    cell_kind: Int64Array  # (cells,): what each cell of a pane holds, a CELL_… of `ring`
    cell_filter: UInt32Array  # (cells,)
    last_time_filter: UInt32Array  # (last_times,)
    evicted_field: Int64Array  # (evicted_values,): column of `code`
    evicted_filter: UInt32Array  # (evicted_values,)
    sizes: Int32Array  # (sizes,): block sizes, rising
    horizon_ms: int  # a full ring grows rather than evict a payment younger than this
    pane_ms: int  # width of a pane
    guards: bool  # this entity detects repeats; a late payment may be one, so it is not added to the state
    keeps_verdicts: bool  # its slots hold first verdicts; else repeats are answered too, and another stage decides


class Events(NamedTuple):
    """A batch of payments and labels as one entity sees it, in the order of the log; first axis: n events.

    Of a label only `kind`, `row`, `t`, `event`, `label` and `labelled_ms` count.
    """

    kind: Int8Array  # (n,): PAYMENT, LABEL, ASK, NAMED_LABEL
    row: Int64Array  # (n,): -1 if the event has no such entity
    t: Int64Array  # (n,): event time, ms since the epoch, UTC; of a label: its payment's, or NEVER if unknown
    amount: Int64Array  # (n,): minor units of `currency`
    currency: UInt16Array  # (n,): number of the currency, never 0; of a converted payment: of the base
    event: UInt64Array  # (n,): digest of event_id
    mask: UInt32Array  # (n,): bit k: the payment passes the entity's k-th `where`; `arena.COUNTED`: it counts
    code: UInt32Array  # (n, FIELDS_MAX): 32-bit codes of the entity's fields, 0 missing
    location: Float32Array  # (n, 2): latitude and longitude in degrees, NaN missing
    relation: Int8Array  # (n,): UNRELATED, REVERSAL, CAPTURE
    original: UInt64Array  # (n,): digest of the event_id that a reversal or capture relates to; else 0
    published: UInt64Array  # (n,): how a converted amount was published (`published_amount`); else 0
    label: Int8Array  # (n,): 1 genuine, 2 fraud
    labelled_ms: Int64Array  # (n,): `labelled_at` of a label, ms


class Answers(NamedTuple):
    """What `kernel.update` writes; n events."""

    value: Float64Array  # (features, n): NaN missing; minor units, ms, km, km/h, codes or plain numbers
    error: Int8Array  # (features, n): EXACT, PANE, AT_LEAST, UNCORRECTED
    status: Int8Array  # (n,): FRESH, LATE, REPEAT, UNMATCHED, ALTERED, NAMED
    first_score: Int32Array  # (n,): of a repeat, its first score in millionths, or -(index in this batch + 1)
    first_verdict: Int32Array  # (n,): of a repeat, the number of its first finding
    unmatched: BoolArray  # (n,): a reversal or capture whose payment the ring does not hold


class Judged(NamedTuple):
    """The current payment, which is decided."""

    t: int  # event time
    amount: int  # minor units
    currency: np.uint16  # number of the currency
    latitude: float  # degrees, float32; NaN missing
    longitude: float


class Ring(NamedTuple):
    """The header of the payment's row, as `arena.ROW`."""

    block: int  # first slot of its block
    start: int  # index in the block of the oldest payment
    room: int  # slots in the block
    first_ms: int  # event time of the first payment, or -NEVER
    floor_ms: int  # event time of the newest payment that left the ring, or NEVER
    overflow: int  # row of `Overflows`, or -1
    uncounted: int  # slots in the ring that do not count


class Window(NamedTuple):
    """The window `(since_ms, until_ms]`; a feature without one has an empty window that ends at the payment's time."""

    since_ms: int
    until_ms: int
    low: int  # position of the window's oldest payment
    high: int  # one past the position of its newest
    overflowed: bool  # payments inside the window may have left the ring
    paned: bool  # the row's panes hold all of them: none was replaced that the window of a late payment needs


class Query(NamedTuple):
    """One feature of one payment: what an answer function needs to know of payment, feature and row, as numbers.

    Passed by value, so it must be narrow: whole tuples of arrays for each feature would double the kernel's time.
    Positions count the row's payments from the oldest. Times are ms since the epoch, UTC.
    """

    payment: Judged
    ring: Ring
    window: Window
    code: np.uint32  # code of the payment's value in the feature's `of` field; 0 missing, no meaning without a field
    same_code: np.uint32  # the same for the `same` field
    counts: bool  # the payment belongs to the window itself
    lacks_same: bool  # the payment has no value in the `same` field: the answer is missing
    filter_bits: np.uint32  # bits of the mask that a payment must have
    of: int  # column of `code`, or a label, or LOG_AMOUNT and so on; -1 none
    same: int  # column of `code`; -1 none
    cells: tuple[int, int, int]  # CELL_N, CELL_V, CELL_Q
    overflow_column: int
    labels_lost: bool  # labels of the window's payments may be missing: they found no payment
    panes_cover: bool  # the row's panes hold everything of the window that left the ring
    pane_ms: int  # width of a pane
    prior: float  # what is expected before there are payments
    strength: float  # the payments that the prior weighs as much as
    row: int  # of the payment's entity
    last: int  # labelled payments that `risk_last` looks at; -1 none


class Panes(NamedTuple):
    """The panes of all rows: two columns of `Overflows`, passed separately because most answers need nothing else of
    it."""

    number: Int64Array  # (overflows, panes): number of the pane held at each index, or NEVER
    cell: Float64Array  # (overflows, panes, cells)


class Evicted(NamedTuple):
    """The values that left the ring of all rows: columns of `Overflows`."""

    code: UInt32Array  # (overflows, evicted_values, EVICTED_VALUES_MAX): 0 none
    newest_ms: Int64Array  # the same: newest time of that value
    floor_ms: Int64Array  # (overflows, evicted_values): newest time of a value that was dropped, or NEVER
    uncorrected_ms: Int64Array  # (overflows,): as in `Overflows`


class Scratch(NamedTuple):
    """Buffers of the answer functions: a hash set, emptied by raising `now`, and a list of amounts."""

    bucket: (
        UInt64Array  # (buckets,): a power of two, more than twice the slots; upper half `now` if in use, lower: code
    )
    now: Int64Array  # (1,): below 2**32
    amount: Int64Array  # (slots + 1,): minor units
    touched: Int64Array  # (1,): written only, so that the compiler keeps the reads of `kernel._prefetch`


def new_scratch(slots_max: int) -> Scratch:
    """Buffers for rows of at most `slots_max` slots."""
    buckets = 1 << (2 * slots_max + 2).bit_length()
    return Scratch(
        bucket=np.zeros(buckets, np.uint64),
        now=np.zeros(1, np.int64),
        amount=np.zeros(slots_max + 1, np.int64),
        touched=np.zeros(1, np.int64),
    )


def repeats(status: Int8Array) -> BoolArray:
    """Which events repeat a payment that was there before: bool, same shape as `status`."""
    found: BoolArray = (status == REPEAT) | (status == ALTERED)
    return found
