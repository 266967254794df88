"""One walk over a batch, payment by payment: answer every feature in the light of what came before, then remember the
payment.

Sequential inside, so where a batch ends can't matter. Windows lie on event time, `(t - delay - window, t - delay]`,
over the payments that stand before this one in the log:

        t - delay - window            t - delay          t
    ────────┤━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┝──────────────────┼──── event time
            └ not in the window           └ in the window    └ this payment

Compiled by numba; the same functions run as plain Python where the JIT is off, and the answers are equal to the bit.
"""

from __future__ import annotations

import numpy as np

from fraudstream.engine.arena import (
    FIELDS_MAX,
    HEADER_DIRTY,
    NEVER,
    OVERFLOW_DIRTY,
    OVERFLOWS_USED,
    SLOTS_USED,
    Overflows,
    Rows,
    Slots,
    Tops,
)
from fraudstream.engine.arrays import Int32Array, Int64Array, UInt64Array
from fraudstream.engine.jit import jit
from fraudstream.engine.kernel_types import (
    AGE,
    AGGREGATE,
    ALTERED,
    AT_LEAST,
    DELAY,
    DISTANCE,
    DISTINCT,
    DONE,
    EXACT,
    FIRST_SEEN,
    FRESH,
    LABEL,
    LATE,
    NEEDS_OVERFLOWS,
    NEEDS_SLOTS,
    PAYMENT,
    REPEAT,
    SINCE_LAST,
    SPEED,
    UNMATCHED,
    WINDOW,
    Answers,
    Events,
    KernelPlan,
    Scratch,
)
from fraudstream.engine.lookback import answer_from_last_place, answer_since_last
from fraudstream.engine.ring import copy_slot, find, find_at, fold, held_until, mark, overflow_of, resize, slot_at
from fraudstream.engine.windows import answer_distinct, answer_first_seen, answer_sums


@jit
def update(
    plan: KernelPlan,
    events: Events,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
    tops: Tops,
    scratch: Scratch,
    answers: Answers,
    first: int,
) -> tuple[int, int]:
    """Apply the events from `first` on. Returns the position of the next event and why the walk stopped there; `DONE`
    at the end."""
    slots_max = plan.sizes[len(plan.sizes) - 1]
    scratch.touched[0] = _fetch(events.row, rows, slots)
    for i in range(first, len(events.kind)):
        row = events.row[i]
        if row < 0:
            continue
        if events.kind[i] == LABEL:
            answers.status[i] = _label(rows, slots, tops, row, events.event[i], events.t[i], events.label[i])
            continue
        if tops.used[SLOTS_USED] + slots_max >= len(slots):
            return i, NEEDS_SLOTS
        if tops.used[OVERFLOWS_USED] >= len(overflows.pane):
            return i, NEEDS_OVERFLOWS
        known = find(rows, slots, row, events.event[i]) if plan.guards else -1
        if known >= 0:
            answers.status[i] = ALTERED if _altered(slots, known, events, i) else REPEAT
            if plan.keeps_verdicts:
                answers.first_score[i] = slots.score[known]
                answers.first_verdict[i] = slots.verdict[known]
                continue
        _answer(plan, events, rows, slots, overflows, scratch, answers, row, i)
        if known < 0 and events.kind[i] == PAYMENT:
            answers.status[i] = _remember(plan, events, rows, slots, overflows, tops, row, i)
    return len(events.kind), DONE


@jit
def _fetch(row: Int64Array, rows: Rows, slots: Slots) -> int:
    """Touch what the walk will read, so that the fetches of many rows overlap: it takes a quarter off the walk."""
    touched = 0
    for i in range(len(row)):
        if row[i] >= 0:
            touched += rows.held[row[i]]
    for i in range(len(row)):
        if row[i] >= 0:
            block = rows.block[row[i]]
            touched += slots.t[block] + slots.t[block + rows.held[row[i]] // 2]
    return touched


@jit
def _label(rows: Rows, slots: Slots, tops: Tops, row: int, event: np.uint64, t: int, label: np.int8) -> int:
    slot = find(rows, slots, row, event) if t == NEVER else find_at(rows, slots, row, event, t)
    if slot < 0:
        return UNMATCHED
    if slots.label[slot] != label:
        slots.label[slot] = label
        slots.dirty[slot] = True
        mark(rows, tops, row, HEADER_DIRTY)
    return FRESH


@jit
def _altered(slots: Slots, slot: int, events: Events, i: int) -> bool:
    """Whether the event differs from the payment in the slot, as far as that tells."""
    differs = slots.t[slot] != events.t[i]
    differs |= slots.amount[slot] != events.amount[i]
    differs |= slots.currency[slot] != events.currency[i]
    for field in range(FIELDS_MAX):
        differs |= slots.code[slot, field] != events.code[i, field]
    return bool(differs)


@jit
def _remember(
    plan: KernelPlan, events: Events, rows: Rows, slots: Slots, overflows: Overflows, tops: Tops, row: int, i: int
) -> int:
    t, held, size = events.t[i], rows.held[row], rows.room[row]
    late = t <= rows.floor_ms[row]
    if late and plan.guards:
        return LATE
    mark(rows, tops, row, HEADER_DIRTY)
    rows.first_ms[row] = min(rows.first_ms[row], t)
    if held == size and not late and _may_grow(plan, rows, slots, row, t):
        bigger = 0
        while plan.sizes[bigger] <= size:
            bigger += 1
        resize(rows, slots, tops, plan.sizes, row, plan.sizes[bigger])
    if late or (held == rows.room[row] and t < slots.t[slot_at(rows, row, 0)]):
        # It belongs before all that the ring holds: into the spill at once, by way of a slot that is free.
        slot = tops.used[SLOTS_USED]
        _write(slots, slot, events, i)
        _let_go(plan, rows, slots, overflows, tops, row, slot)
        slots.dirty[slot] = False
        return LATE if late else FRESH
    if held == rows.room[row]:
        _let_go(plan, rows, slots, overflows, tops, row, slot_at(rows, row, 0))
        rows.start[row] = (rows.start[row] + 1) % rows.room[row]
        held -= 1
    position = held
    rows.held[row] = held + 1
    while position > 0 and slots.t[slot_at(rows, row, position - 1)] > t:
        copy_slot(slots, slot_at(rows, row, position - 1), slot_at(rows, row, position))
        position -= 1
    slot = slot_at(rows, row, position)
    _write(slots, slot, events, i)
    if plan.keeps_verdicts:
        slots.score[slot] = -(i + 1)
    return FRESH


@jit
def _may_grow(plan: KernelPlan, rows: Rows, slots: Slots, row: int, t: int) -> bool:
    """A full ring grows rather than let go of a payment that an exact window may still ask for."""
    if rows.held[row] == 0:
        return True
    newest = max(t, slots.t[slot_at(rows, row, rows.held[row] - 1)])
    young = newest - slots.t[slot_at(rows, row, 0)] < plan.horizon_ms
    return bool(young and rows.room[row] < plan.sizes[len(plan.sizes) - 1])


@jit
def _let_go(plan: KernelPlan, rows: Rows, slots: Slots, overflows: Overflows, tops: Tops, row: int, slot: int) -> None:
    overflow = overflow_of(rows, tops, row)
    fold(
        overflows,
        overflow,
        slots,
        slot,
        plan.pane_ms,
        plan.cell_kind,
        plan.cell_filter,
        plan.last_filter,
        plan.evicted_value_field,
        plan.evicted_value_filter,
    )
    rows.floor_ms[row] = max(rows.floor_ms[row], slots.t[slot])
    mark(rows, tops, row, OVERFLOW_DIRTY)


@jit
def _write(slots: Slots, slot: int, events: Events, i: int) -> None:
    slots.t[slot] = events.t[i]
    slots.amount[slot] = events.amount[i]
    slots.event[slot] = events.event[i]
    slots.mask[slot] = events.mask[i]
    slots.currency[slot] = events.currency[i]
    slots.label[slot] = 0
    slots.score[slot] = 0
    slots.verdict[slot] = 0
    for field in range(FIELDS_MAX):
        slots.code[slot, field] = events.code[i, field]
    slots.location[slot, 0] = events.location[i, 0]
    slots.location[slot, 1] = events.location[i, 1]
    slots.dirty[slot] = True


@jit
def _answer(
    plan: KernelPlan,
    events: Events,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
    scratch: Scratch,
    answers: Answers,
    row: int,
    i: int,
) -> None:
    t = events.t[i]
    now = held_until(rows, slots, row, t)
    since, until, low, high = NEVER, NEVER, 0, 0
    for f in range(len(plan.spec)):
        aggregate = plan.spec[f, AGGREGATE]
        if aggregate == AGE:
            answers.value[f, i] = max(0, t - rows.first_ms[row]) if rows.held[row] > 0 or rows.overflow[row] >= 0 else 0
            continue
        if aggregate == SINCE_LAST:
            answer_since_last(plan, rows, slots, overflows, answers, row, i, f, now, t)
            continue
        if aggregate in (DISTANCE, SPEED):
            answer_from_last_place(plan, events, rows, slots, answers, row, i, f, now)
            continue
        # Features stand in order of window and delay, so equal windows are looked up once.
        if since != t - plan.spec[f, DELAY] - plan.spec[f, WINDOW] or until != t - plan.spec[f, DELAY]:
            until = t - plan.spec[f, DELAY]
            since = until - plan.spec[f, WINDOW]
            high = now if plan.spec[f, DELAY] == 0 else held_until(rows, slots, row, until)
            low = held_until(rows, slots, row, since)
        beyond = rows.overflow[row] >= 0 and rows.floor_ms[row] > since
        if aggregate == DISTINCT:
            answer_distinct(plan, events, rows, slots, scratch, answers, row, i, f, low, high)
            answers.error[f, i] = AT_LEAST if beyond else EXACT
        elif aggregate == FIRST_SEEN:
            answer_first_seen(plan, events, rows, slots, overflows, answers, row, i, f, low, high, since)
        else:
            answer_sums(plan, events, rows, slots, overflows, answers, row, i, f, low, high, since, until, beyond)


@jit
def remember_verdicts(
    rows: Rows, slots: Slots, tops: Tops, row: Int64Array, event: UInt64Array, score: Int32Array, verdict: Int32Array
) -> None:
    """Write each payment's first verdict beside it, where the ring still holds it: the answer to a repeat."""
    for i in range(len(row)):
        slot = find(rows, slots, row[i], event[i])
        if slot >= 0:
            slots.score[slot] = score[i]
            slots.verdict[slot] = verdict[i]
            slots.dirty[slot] = True
            mark(rows, tops, row[i], HEADER_DIRTY)
