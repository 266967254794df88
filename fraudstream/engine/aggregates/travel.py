"""`distance` and `speed`: from the location of the last payment that had one."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.window import passes, slot_of
from fraudstream.engine.arena import Slots
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, Query
from fraudstream.engine.location import distance_km

DISTANCE, SPEED = 10, 11


@jit
def _last_located(query: Query, slots: Slots) -> tuple[int, int]:
    """The slot of the last payment that passes the filter and has a location, and the error of what follows from it.

    The slot is -1 if there is none, or the current payment has no location. AT_LEAST: one that left the ring may be the
    last one.
    """
    if np.isnan(query.payment.latitude) or np.isnan(query.payment.longitude):
        return -1, EXACT
    for position in range(query.window.high - 1, -1, -1):
        slot = slot_of(query, position)
        if not passes(query, slots, slot) or np.isnan(slots.location[slot, 0]) or np.isnan(slots.location[slot, 1]):
            continue
        return slot, EXACT
    return -1, AT_LEAST if query.ring.overflow >= 0 else EXACT


@jit
def _km_from(query: Query, slots: Slots, slot: int) -> float:
    """Distance in km between the location in the slot and that of the current payment; both are float32 degrees."""
    return distance_km(
        np.float64(slots.location[slot, 0]),
        np.float64(slots.location[slot, 1]),
        np.float64(query.payment.latitude),
        np.float64(query.payment.longitude),
    )


@jit
def answer_distance(query: Query, slots: Slots) -> tuple[float, int]:
    """Kilometres, to the metre; missing where this payment or all earlier ones lack a location. AT_LEAST: an evicted
    payment may have been the last one."""
    slot, error = _last_located(query, slots)
    return _km_from(query, slots, slot) if slot >= 0 else np.nan, error


@jit
def answer_speed(query: Query, slots: Slots) -> tuple[float, int]:
    """Kilometres per hour over that distance, in the time between, which counts as one second at least. Missing and
    AT_LEAST as the distance."""
    slot, error = _last_located(query, slots)
    if slot < 0:
        return np.nan, error
    return _km_from(query, slots, slot) * 3_600_000.0 / max(query.payment.t - slots.t[slot], 1000), error


DEFINITIONS = (
    Aggregate(
        DISTANCE,
        "distance",
        "km from the last payment that had `lat` and `lon`; missing if there is none",
        Type.NUMBER,
        answer_distance,
        windowed=False,
        takes_same=False,
        takes_delay=False,
        reads_location=True,
    ),
    Aggregate(
        SPEED,
        "speed",
        "km/h that it would take to come from there; missing if there is none",
        Type.NUMBER,
        answer_speed,
        windowed=False,
        takes_same=False,
        takes_delay=False,
        reads_location=True,
    ),
)
