"""Answers over the payments of a window: sums and their kin, distinct values, values seen for the first time.

Called by the kernel with the positions in the ring between which the window lies; what left the ring is in the spill.
"""

from __future__ import annotations

import math

import numpy as np

from fraudstream.engine.arena import EVICTED_VALUES_MAX, NEVER, Overflows, Rows, Slots
from fraudstream.engine.jit import jit
from fraudstream.engine.kernel_types import (
    AGGREGATE,
    AT_LEAST,
    CELL_N,
    CELL_Q,
    CELL_V,
    COUNT,
    DELAY,
    INCLUDES,
    MAX,
    MEAN,
    MEMO,
    MIN,
    MONEY,
    OF,
    PANE,
    SAME,
    SHARE,
    SUM,
    Answers,
    Events,
    KernelPlan,
    Scratch,
)
from fraudstream.engine.ring import slot_at


@jit
def answer_sums(
    plan: KernelPlan,
    events: Events,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
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
    aggregate, filter_bits, same, money = (
        plan.spec[f, AGGREGATE],
        plan.filter_bits[f],
        plan.spec[f, SAME],
        plan.spec[f, MONEY] == 1,
    )
    currency, mine = events.currency[i], np.uint32(0)
    if same >= 0:
        mine = events.code[i, same]
        if mine == np.uint32(0):
            return
    counts_itself = (
        plan.spec[f, INCLUDES] == 1 and plan.spec[f, DELAY] == 0 and (events.mask[i] & filter_bits) == filter_bits
    )
    n, total, least, most, hits = 0, 0, 0, 0, 0
    if aggregate == COUNT and filter_bits == np.uint32(0) and same < 0:
        n = high - low
    else:
        for position in range(low, high):
            slot = slot_at(rows, row, position)
            if (slots.mask[slot] & filter_bits) != filter_bits or (same >= 0 and slots.code[slot, same] != mine):
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
        overflow = rows.overflow[row]
        # A late payment's window may begin before the oldest pane: newer panes have taken the places of those it needs.
        held = (since + 1) // plan.pane_ms > rows.floor_ms[row] // plan.pane_ms - overflows.pane.shape[1]
        if cell_n >= 0 and held and (not money or overflows.currency[overflow] == currency):
            if aggregate != SHARE:  # a label that comes when its payment has left the ring is lost to the panes
                answers.error[f, i] = PANE
            for place in range(overflows.pane.shape[1]):
                begin = overflows.pane[overflow, place] * plan.pane_ms
                if overflows.pane[overflow, place] == NEVER or begin > until or begin + plan.pane_ms - 1 <= since:
                    continue
                paned = True
                count += overflows.cell[overflow, place, cell_n]
                if cell_q >= 0:
                    squares += overflows.cell[overflow, place, cell_q]
                if cell_v >= 0:
                    part = overflows.cell[overflow, place, cell_v]
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
                (slots.mask[slot] & filter_bits) != filter_bits
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
def answer_distinct(
    plan: KernelPlan,
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
    filter_bits, same, field = plan.filter_bits[f], plan.spec[f, SAME], plan.spec[f, OF]
    mine = np.uint32(0)
    if same >= 0:
        mine = events.code[i, same]
        if mine == np.uint32(0):
            return
    scratch.now[0] += 1
    n = 0
    for position in range(low, high):
        slot = slot_at(rows, row, position)
        if (slots.mask[slot] & filter_bits) == filter_bits and (same < 0 or slots.code[slot, same] == mine):
            n += _added(scratch, slots.code[slot, field])
    if plan.spec[f, INCLUDES] == 1 and plan.spec[f, DELAY] == 0 and (events.mask[i] & filter_bits) == filter_bits:
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
def answer_first_seen(
    plan: KernelPlan,
    events: Events,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
    answers: Answers,
    row: int,
    i: int,
    f: int,
    low: int,
    high: int,
    since: int,
) -> None:
    filter_bits, field = plan.filter_bits[f], plan.spec[f, OF]
    mine = events.code[i, field]
    if mine == np.uint32(0):
        return
    for position in range(high - 1, low - 1, -1):
        slot = slot_at(rows, row, position)
        if slots.code[slot, field] == mine and (slots.mask[slot] & filter_bits) == filter_bits:
            answers.value[f, i] = 0.0
            return
    overflow, evicted_value = rows.overflow[row], plan.spec[f, MEMO]
    if overflow >= 0 and rows.floor_ms[row] > since:
        if evicted_value < 0:
            answers.error[f, i] = AT_LEAST
        else:
            for place in range(EVICTED_VALUES_MAX):
                if (
                    overflows.evicted_value[overflow, evicted_value, place] == mine
                    and overflows.evicted_value_ms[overflow, evicted_value, place] > since
                ):
                    if overflows.evicted_value_ms[overflow, evicted_value, place] <= events.t[i]:
                        answers.value[f, i] = 0.0
                        return
                    answers.error[f, i] = AT_LEAST  # seen later, perhaps before this late payment as well
            if overflows.evicted_value_floor_ms[overflow, evicted_value] > since:
                answers.error[f, i] = AT_LEAST
    answers.value[f, i] = 1.0
