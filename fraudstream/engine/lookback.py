"""Answers that look back to the last payment: how long ago it was, how far away."""

from __future__ import annotations

import numpy as np

from fraudstream.engine.arena import NEVER, Overflows, Rows, Slots
from fraudstream.engine.jit import jit
from fraudstream.engine.kernel_types import AGGREGATE, AT_LEAST, DISTANCE, MEMO, Answers, Events, KernelPlan
from fraudstream.engine.location import distance_km
from fraudstream.engine.ring import slot_at


@jit
def answer_since_last(
    plan: KernelPlan,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
    answers: Answers,
    row: int,
    i: int,
    f: int,
    now: int,
    t: int,
) -> None:
    filter_bits = plan.filter_bits[f]
    for position in range(now - 1, -1, -1):
        slot = slot_at(rows, row, position)
        if (slots.mask[slot] & filter_bits) == filter_bits:
            answers.value[f, i] = t - slots.t[slot]
            return
    overflow = rows.overflow[row]
    if overflow >= 0:
        last = overflows.last_ms[overflow, plan.spec[f, MEMO]]
        if last != NEVER and last <= t:
            answers.value[f, i] = t - last
        elif last > t:
            answers.error[f, i] = AT_LEAST


@jit
def answer_from_last_place(
    plan: KernelPlan, events: Events, rows: Rows, slots: Slots, answers: Answers, row: int, i: int, f: int, now: int
) -> None:
    """Distance from the last payment that had a place, in km, or the speed that it would take, in km/h; a second is the
    shortest time."""
    if np.isnan(events.location[i, 0]) or np.isnan(events.location[i, 1]):
        return
    filter_bits = plan.filter_bits[f]
    for position in range(now - 1, -1, -1):
        slot = slot_at(rows, row, position)
        if (
            (slots.mask[slot] & filter_bits) != filter_bits
            or np.isnan(slots.location[slot, 0])
            or np.isnan(slots.location[slot, 1])
        ):
            continue
        if slots.t[slot] <= rows.floor_ms[row] and not plan.guards:
            answers.error[f, i] = AT_LEAST  # one of the same time, later in the log, may have gone past the ring
        km = distance_km(
            np.float64(slots.location[slot, 0]),
            np.float64(slots.location[slot, 1]),
            np.float64(events.location[i, 0]),
            np.float64(events.location[i, 1]),
        )
        if plan.spec[f, AGGREGATE] == DISTANCE:
            answers.value[f, i] = km
        else:
            answers.value[f, i] = km * 3_600_000.0 / max(events.t[i] - slots.t[slot], 1000)
        return
    if rows.overflow[row] >= 0:  # one that left the ring may have had a place
        answers.error[f, i] = AT_LEAST
