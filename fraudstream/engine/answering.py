"""The answers of one payment: every feature of one entity, from the entity's state before the payment.

Windows are looked up here, once for all features that share one; `aggregates` computes what is in them. Arrays are
documented in `kernel_types` and `arena`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.dispatch import answer
from fraudstream.engine.arena import Overflows, Rows, Slots
from fraudstream.engine.arrays import Int64Array, UInt32Array
from fraudstream.engine.kernel_types import (
    AGGREGATE,
    CELL_N,
    CELL_Q,
    CELL_V,
    DELAY,
    INCLUDES,
    LAST,
    MONEY,
    OF,
    OVERFLOW_COLUMN,
    PANE,
    PRIOR,
    PRIOR_UNIT,
    SAME,
    STRENGTH,
    UNCORRECTED,
    WINDOW,
    Answers,
    Events,
    Evicted,
    Judged,
    KernelPlan,
    Panes,
    Query,
    Ring,
    Scratch,
    Window,
)
from fraudstream.engine.label_entries import LabelArrays, labels_lost
from fraudstream.engine.ring import held_until, slot_at

_ALL_BITS: Final = np.uint32(0xFFFFFFFF)


@jit
def answer_features(
    plan: KernelPlan,
    events: Events,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
    scratch: Scratch,
    answers: Answers,
    index: LabelArrays,
    recent: UInt32Array,
    row: int,
    i: int,
) -> None:
    """Write `answers.value` and `answers.error` of every feature of payment `i`, whose row is `row`.

    Invariant: features that share a window are adjacent in `plan.spec`, so each window is looked up once.
    """
    payment = Judged(events.t[i], events.amount[i], events.currency[i], events.location[i, 0], events.location[i, 1])
    ring = Ring(
        rows.block[row],
        rows.start[row],
        rows.room[row],
        rows.first_ms[row],
        rows.floor_ms[row],
        rows.overflow[row],
        rows.uncounted[row],
    )
    panes = Panes(overflows.pane, overflows.cell)
    evicted = Evicted(
        overflows.evicted_value,
        overflows.evicted_value_ms,
        overflows.evicted_value_floor_ms,
        overflows.uncorrected_ms,
    )
    pane_currency = overflows.currency[ring.overflow] if ring.overflow >= 0 else np.uint16(0)
    t, now = payment.t, held_until(rows, slots, row, payment.t)
    passed = _passed_by_any(rows, slots, row) if plan.filtered else _ALL_BITS
    window = Window(t, t, now, now, ring.overflow >= 0 and ring.floor_ms > t, False)
    for f in range(len(plan.spec)):
        until_ms = t - plan.spec[f, DELAY]
        since_ms = until_ms - plan.spec[f, WINDOW]
        if until_ms != window.until_ms or since_ms != window.since_ms:
            high = now if until_ms == t else held_until(rows, slots, row, until_ms)
            low = held_until(rows, slots, row, since_ms)
            overflowed = ring.overflow >= 0 and ring.floor_ms > since_ms
            paned = overflowed and _panes_hold(since_ms, ring.floor_ms, plan.pane_ms, overflows.pane.shape[1])
            window = Window(since_ms, until_ms, low, high, overflowed, paned)
        covered = window.paned and plan.spec[f, CELL_N] >= 0
        covered = covered and (plan.spec[f, MONEY] != 1 or pane_currency == payment.currency)
        # The first entity's ring gets every label of its payments: labels name the account.
        lost = (window.overflowed or not plan.guards) and labels_lost(index, since_ms)
        query = _query(
            plan.spec,
            plan.filter_bits,
            events.mask,
            events.code,
            payment,
            ring,
            window if (passed & plan.filter_bits[f]) == plan.filter_bits[f] else _emptied(window),
            lost,
            covered,
            plan.pane_ms,
            row,
            f,
            i,
        )
        value, error = answer(plan.spec[f, AGGREGATE], query, slots, panes, evicted, overflows.last_ms, recent, scratch)
        if error == PANE and overflows.uncorrected_ms[ring.overflow] > since_ms - plan.pane_ms:
            error = UNCORRECTED
        answers.value[f, i], answers.error[f, i] = value, error


@jit
def _passed_by_any(rows: Rows, slots: Slots, row: int) -> np.uint32:
    """All bits that the mask of any payment in the ring has: a filter that asks for others passes none of them."""
    bits = np.uint32(0)
    for position in range(rows.held[row]):
        bits |= slots.mask[slot_at(rows, row, position)]
    return bits


@jit
def _emptied(window: Window) -> Window:
    """The window without the ring's payments, none of which passes the feature's filter."""
    return Window(window.since_ms, window.until_ms, 0, 0, window.overflowed, window.paned)


@jit
def _panes_hold(since_ms: int, floor_ms: int, pane_ms: int, panes: int) -> bool:
    """As `Window.paned`, of a window after `since_ms`. `panes`: how many the row has."""
    return bool(panes > 0 and (since_ms + 1) // pane_ms > floor_ms // pane_ms - panes)


@jit
def _query(
    spec: Int64Array,
    filters: UInt32Array,
    mask: UInt32Array,
    code: UInt32Array,
    payment: Judged,
    ring: Ring,
    window: Window,
    labels_lost: bool,
    panes_cover: bool,
    pane_ms: int,
    row: int,
    f: int,
    i: int,
) -> Query:
    """The query of feature `f` for payment `i`. `spec`, `filters`: `KernelPlan.spec` and `filter_bits`; `mask`, `code`:
    of `Events`; the others: the fields of `Query`."""
    of, same, filter_bits = spec[f, OF], spec[f, SAME], filters[f]
    same_code = code[i, max(same, 0)]
    counts = spec[f, INCLUDES] == 1 and spec[f, DELAY] == 0 and (mask[i] & filter_bits) == filter_bits
    return Query(  # by position: numba takes at most 15 names
        payment,
        ring,
        window,
        code[i, max(of, 0)],
        same_code,
        counts,
        same >= 0 and same_code == np.uint32(0),
        filter_bits,
        of,
        same,
        (spec[f, CELL_N], spec[f, CELL_V], spec[f, CELL_Q]),
        spec[f, OVERFLOW_COLUMN],
        labels_lost,
        panes_cover,
        pane_ms,
        spec[f, PRIOR] / PRIOR_UNIT,
        float(spec[f, STRENGTH]),
        row,
        spec[f, LAST],
    )
