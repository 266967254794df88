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

import math
from typing import NamedTuple

import numpy as np

from fraudstream.engine.arena import (
    ELDERS,
    FIELDS_MAX,
    HEADER_DIRTY,
    NEVER,
    SLOTS_USED,
    SPILL_DIRTY,
    SPILLS_USED,
    Rows,
    Slots,
    Spills,
    Tops,
)
from fraudstream.engine.arrays import (
    Float32Array,
    Float64Array,
    Int8Array,
    Int32Array,
    Int64Array,
    UInt16Array,
    UInt32Array,
    UInt64Array,
)
from fraudstream.engine.jit import jit
from fraudstream.engine.place import distance_km
from fraudstream.engine.ring import copy_slot, find, find_at, fold, held_until, mark, resize, slot_at, spill_of

# What an event is to an entity. PASS: nothing of its concern. ASK: a payment to answer and not to remember.
PAYMENT, LABEL, PASS, ASK = range(4)
FRESH, LATE, REPEAT, UNMATCHED = range(4)  # what became of it
DONE, NEEDS_SLOTS, NEEDS_SPILLS = range(3)  # why the walk stopped
EXACT, PANE, AT_LEAST = range(3)  # how a feature was answered

COUNT, SUM, MEAN, MIN, MAX, STD, DISTINCT, SHARE, SINCE_LAST, FIRST_SEEN, DISTANCE, SPEED, AGE = range(13)

# Columns of `Plan.spec`, one row a feature.
AGGREGATE, WINDOW, DELAY, INCLUDES, OF, SAME, MONEY, CELL_N, CELL_V, CELL_Q, MEMO = range(11)


class Plan(NamedTuple):
    """A catalogue's features of one entity, as numbers; `catalogue` makes it."""

    spec: Int64Array  # (features, 11)
    lane: UInt32Array  # (features,): bits of the filters a payment must have passed
    cell_kind: Int64Array  # (cells,)
    cell_lane: UInt32Array  # (cells,)
    last_lane: UInt32Array  # (lasts,)
    elder_field: Int64Array  # (elders,): column of `code`
    elder_lane: UInt32Array  # (elders,)
    sizes: Int32Array  # block sizes
    horizon_ms: int  # the ring grows rather than let go of a payment younger than this
    pane_ms: int
    guards: bool  # this stage finds duplicates: a late payment is not remembered, for it may be one


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
    place: Float32Array  # (n, 2)
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


@jit
def walk(
    plan: Plan,
    events: Events,
    rows: Rows,
    slots: Slots,
    spills: Spills,
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
        if row < 0 or events.kind[i] == PASS:
            continue
        if events.kind[i] == LABEL:
            answers.status[i] = _label(rows, slots, tops, row, events.event[i], events.t[i], events.label[i])
            continue
        if tops.used[SLOTS_USED] + slots_max >= len(slots):
            return i, NEEDS_SLOTS
        if tops.used[SPILLS_USED] >= len(spills.pane):
            return i, NEEDS_SPILLS
        if plan.guards:
            slot = find(rows, slots, row, events.event[i])
            if slot >= 0:
                answers.status[i] = REPEAT
                answers.first_score[i] = slots.score[slot]
                answers.first_verdict[i] = slots.verdict[slot]
                continue
        _answer(plan, events, rows, slots, spills, scratch, answers, row, i)
        if events.kind[i] == PAYMENT:
            answers.status[i] = _remember(plan, events, rows, slots, spills, tops, row, i)
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
def _remember(
    plan: Plan, events: Events, rows: Rows, slots: Slots, spills: Spills, tops: Tops, row: int, i: int
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
        _let_go(plan, rows, slots, spills, tops, row, slot)
        slots.dirty[slot] = False
        return LATE if late else FRESH
    if held == rows.room[row]:
        _let_go(plan, rows, slots, spills, tops, row, slot_at(rows, row, 0))
        rows.start[row] = (rows.start[row] + 1) % rows.room[row]
        held -= 1
    position = held
    rows.held[row] = held + 1
    while position > 0 and slots.t[slot_at(rows, row, position - 1)] > t:
        copy_slot(slots, slot_at(rows, row, position - 1), slot_at(rows, row, position))
        position -= 1
    slot = slot_at(rows, row, position)
    _write(slots, slot, events, i)
    if plan.guards:
        slots.score[slot] = -(i + 1)
    return FRESH


@jit
def _may_grow(plan: Plan, rows: Rows, slots: Slots, row: int, t: int) -> bool:
    """A full ring grows rather than let go of a payment that an exact window may still ask for."""
    if rows.held[row] == 0:
        return True
    newest = max(t, slots.t[slot_at(rows, row, rows.held[row] - 1)])
    young = newest - slots.t[slot_at(rows, row, 0)] < plan.horizon_ms
    return bool(young and rows.room[row] < plan.sizes[len(plan.sizes) - 1])


@jit
def _let_go(plan: Plan, rows: Rows, slots: Slots, spills: Spills, tops: Tops, row: int, slot: int) -> None:
    spill = spill_of(rows, tops, row)
    fold(
        spills,
        spill,
        slots,
        slot,
        plan.pane_ms,
        plan.cell_kind,
        plan.cell_lane,
        plan.last_lane,
        plan.elder_field,
        plan.elder_lane,
    )
    rows.floor_ms[row] = max(rows.floor_ms[row], slots.t[slot])
    mark(rows, tops, row, SPILL_DIRTY)


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
    slots.place[slot, 0] = events.place[i, 0]
    slots.place[slot, 1] = events.place[i, 1]
    slots.dirty[slot] = True


@jit
def _answer(
    plan: Plan,
    events: Events,
    rows: Rows,
    slots: Slots,
    spills: Spills,
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
            answers.value[f, i] = max(0, t - rows.first_ms[row]) if rows.held[row] > 0 or rows.spill[row] >= 0 else 0
            continue
        if aggregate == SINCE_LAST:
            _since_last(plan, rows, slots, spills, answers, row, i, f, now, t)
            continue
        if aggregate in (DISTANCE, SPEED):
            _from_last_place(plan, events, rows, slots, answers, row, i, f, now)
            continue
        # Features stand in order of window and delay, so equal windows are looked up once.
        if since != t - plan.spec[f, DELAY] - plan.spec[f, WINDOW] or until != t - plan.spec[f, DELAY]:
            until = t - plan.spec[f, DELAY]
            since = until - plan.spec[f, WINDOW]
            high = now if plan.spec[f, DELAY] == 0 else held_until(rows, slots, row, until)
            low = held_until(rows, slots, row, since)
        beyond = rows.spill[row] >= 0 and rows.floor_ms[row] > since
        if aggregate == DISTINCT:
            _distinct(plan, events, rows, slots, scratch, answers, row, i, f, low, high)
            answers.error[f, i] = AT_LEAST if beyond else EXACT
        elif aggregate == FIRST_SEEN:
            _first_seen(plan, events, rows, slots, spills, answers, row, i, f, low, high, since)
        else:
            _sums(plan, events, rows, slots, spills, answers, row, i, f, low, high, since, until, beyond)


@jit
def _sums(
    plan: Plan,
    events: Events,
    rows: Rows,
    slots: Slots,
    spills: Spills,
    answers: Answers,
    row: int,
    i: int,
    f: int,
    low: int,
    high: int,
    since: int,
    until: int,
    beyond: bool,
) -> None:
    """count, sum, mean, min, max, std, share: over the ring's payments in the window, this one if it counts, and the
    panes beyond the ring."""
    aggregate, lane, same, money = plan.spec[f, AGGREGATE], plan.lane[f], plan.spec[f, SAME], plan.spec[f, MONEY] == 1
    currency, mine = events.currency[i], np.uint32(0)
    if same >= 0:
        mine = events.code[i, same]
        if mine == np.uint32(0):
            return
    counts_itself = plan.spec[f, INCLUDES] == 1 and plan.spec[f, DELAY] == 0 and (events.mask[i] & lane) == lane
    n, total, least, most, hits = 0, 0, 0, 0, 0
    if aggregate == COUNT and lane == np.uint32(0) and same < 0:
        n = high - low
    else:
        for position in range(low, high):
            slot = slot_at(rows, row, position)
            if (slots.mask[slot] & lane) != lane or (same >= 0 and slots.code[slot, same] != mine):
                continue
            if money and slots.currency[slot] != currency:
                continue
            amount = slots.amount[slot]
            least = amount if n == 0 or amount < least else least
            most = amount if n == 0 or amount > most else most
            n += 1
            total += amount
            if slots.label[slot] == plan.spec[f, OF]:
                hits += 1
    if counts_itself:
        amount = events.amount[i]
        least = amount if n == 0 or amount < least else least
        most = amount if n == 0 or amount > most else most
        n += 1
        total += amount

    count, value, squares, extreme = float(n), float(total), 0.0, np.nan
    if n > 0:
        extreme = float(least) if aggregate == MIN else float(most)
    if aggregate == SHARE:
        value = float(hits)
    paned = False
    if beyond:
        answers.error[f, i] = AT_LEAST
        cell_n, cell_v, cell_q = plan.spec[f, CELL_N], plan.spec[f, CELL_V], plan.spec[f, CELL_Q]
        spill = rows.spill[row]
        # A late payment's window may begin before the oldest pane: newer panes have taken the places of those it needs.
        held = (since + 1) // plan.pane_ms > rows.floor_ms[row] // plan.pane_ms - spills.pane.shape[1]
        if cell_n >= 0 and held and (not money or spills.currency[spill] == currency):
            if aggregate != SHARE:  # a label that comes when its payment has left the ring is lost to the panes
                answers.error[f, i] = PANE
            for place in range(spills.pane.shape[1]):
                begin = spills.pane[spill, place] * plan.pane_ms
                if spills.pane[spill, place] == NEVER or begin > until or begin + plan.pane_ms - 1 <= since:
                    continue
                paned = True
                count += spills.cell[spill, place, cell_n]
                if cell_q >= 0:
                    squares += spills.cell[spill, place, cell_q]
                if cell_v >= 0:
                    part = spills.cell[spill, place, cell_v]
                    if aggregate != MIN and aggregate != MAX:
                        value += part
                    elif not np.isnan(part) and (
                        np.isnan(extreme) or (part < extreme if aggregate == MIN else part > extreme)
                    ):
                        extreme = part

    if aggregate == COUNT:
        answers.value[f, i] = count
    elif aggregate == SUM:
        answers.value[f, i] = value
    elif aggregate == SHARE:
        answers.value[f, i] = value / count if count > 0.0 else 0.0
    elif aggregate in (MIN, MAX):
        answers.value[f, i] = extreme
    elif count > 0.0:
        mean = value / count
        if aggregate == MEAN:
            answers.value[f, i] = mean
            return
        for position in range(low, high):
            slot = slot_at(rows, row, position)
            if (
                (slots.mask[slot] & lane) != lane
                or (same >= 0 and slots.code[slot, same] != mine)
                or slots.currency[slot] != currency
            ):
                continue
            amount = float(slots.amount[slot])
            squares += amount * amount if paned else (amount - mean) * (amount - mean)
        if counts_itself:
            amount = float(events.amount[i])
            squares += amount * amount if paned else (amount - mean) * (amount - mean)
        variance = squares / count - mean * mean if paned else squares / count
        answers.value[f, i] = math.sqrt(max(variance, 0.0))


@jit
def _distinct(
    plan: Plan,
    events: Events,
    rows: Rows,
    slots: Slots,
    scratch: Scratch,
    answers: Answers,
    row: int,
    i: int,
    f: int,
    low: int,
    high: int,
) -> None:
    lane, same, field = plan.lane[f], plan.spec[f, SAME], plan.spec[f, OF]
    mine = np.uint32(0)
    if same >= 0:
        mine = events.code[i, same]
        if mine == np.uint32(0):
            return
    scratch.now[0] += 1
    n = 0
    for position in range(low, high):
        slot = slot_at(rows, row, position)
        if (slots.mask[slot] & lane) == lane and (same < 0 or slots.code[slot, same] == mine):
            n += _added(scratch, slots.code[slot, field])
    if plan.spec[f, INCLUDES] == 1 and plan.spec[f, DELAY] == 0 and (events.mask[i] & lane) == lane:
        n += _added(scratch, events.code[i, field])
    answers.value[f, i] = n


@jit
def _added(scratch: Scratch, code: np.uint32) -> int:
    """1 if the code is new to the set, which now holds it, else 0. The missing code is never counted."""
    if code == np.uint32(0):
        return 0
    last = len(scratch.key) - 1
    place = int(code) & last
    while scratch.stamp[place] == scratch.now[0]:
        if scratch.key[place] == code:
            return 0
        place = (place + 1) & last
    scratch.stamp[place] = scratch.now[0]
    scratch.key[place] = code
    return 1


@jit
def _first_seen(
    plan: Plan,
    events: Events,
    rows: Rows,
    slots: Slots,
    spills: Spills,
    answers: Answers,
    row: int,
    i: int,
    f: int,
    low: int,
    high: int,
    since: int,
) -> None:
    lane, field = plan.lane[f], plan.spec[f, OF]
    mine = events.code[i, field]
    if mine == np.uint32(0):
        return
    for position in range(high - 1, low - 1, -1):
        slot = slot_at(rows, row, position)
        if slots.code[slot, field] == mine and (slots.mask[slot] & lane) == lane:
            answers.value[f, i] = 0.0
            return
    spill, elder = rows.spill[row], plan.spec[f, MEMO]
    if spill >= 0 and rows.floor_ms[row] > since:
        if elder < 0:
            answers.error[f, i] = AT_LEAST
        else:
            for place in range(ELDERS):
                if spills.elder[spill, elder, place] == mine and spills.elder_ms[spill, elder, place] > since:
                    if spills.elder_ms[spill, elder, place] <= events.t[i]:
                        answers.value[f, i] = 0.0
                        return
                    answers.error[f, i] = AT_LEAST  # seen later, perhaps before this late payment as well
            if spills.elder_floor_ms[spill, elder] > since:
                answers.error[f, i] = AT_LEAST
    answers.value[f, i] = 1.0


@jit
def _since_last(
    plan: Plan, rows: Rows, slots: Slots, spills: Spills, answers: Answers, row: int, i: int, f: int, now: int, t: int
) -> None:
    lane = plan.lane[f]
    for position in range(now - 1, -1, -1):
        slot = slot_at(rows, row, position)
        if (slots.mask[slot] & lane) == lane:
            answers.value[f, i] = t - slots.t[slot]
            return
    spill = rows.spill[row]
    if spill >= 0:
        last = spills.last_ms[spill, plan.spec[f, MEMO]]
        if last != NEVER and last <= t:
            answers.value[f, i] = t - last
        elif last > t:
            answers.error[f, i] = AT_LEAST


@jit
def _from_last_place(
    plan: Plan, events: Events, rows: Rows, slots: Slots, answers: Answers, row: int, i: int, f: int, now: int
) -> None:
    """Distance from the last payment that had a place, in km, or the speed that it would take, in km/h; a second is the
    shortest time."""
    if np.isnan(events.place[i, 0]) or np.isnan(events.place[i, 1]):
        return
    lane = plan.lane[f]
    for position in range(now - 1, -1, -1):
        slot = slot_at(rows, row, position)
        if (slots.mask[slot] & lane) != lane or np.isnan(slots.place[slot, 0]) or np.isnan(slots.place[slot, 1]):
            continue
        if slots.t[slot] <= rows.floor_ms[row] and not plan.guards:
            answers.error[f, i] = AT_LEAST  # one of the same time, later in the log, may have gone past the ring
        km = distance_km(
            np.float64(slots.place[slot, 0]),
            np.float64(slots.place[slot, 1]),
            np.float64(events.place[i, 0]),
            np.float64(events.place[i, 1]),
        )
        if plan.spec[f, AGGREGATE] == DISTANCE:
            answers.value[f, i] = km
        else:
            answers.value[f, i] = km * 3_600_000.0 / max(events.t[i] - slots.t[slot], 1000)
        return
    if rows.spill[row] >= 0:  # one that left the ring may have had a place
        answers.error[f, i] = AT_LEAST


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
