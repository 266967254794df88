"""What a reversal or a capture does to the payment that it relates to, in one row. Compiled; called by the kernel.

    payment            500.00   counts with 500.00
      capture          480.00   it counts with 480.00: the capture replaces the amount of its authorisation
      capture           20.00   it counts with 500.00: later captures of it add up
      reversal          50.00   it counts with 450.00
      reversal         450.00   it is taken back: it no longer counts

A reversal or capture has a slot of its own, in its place in the ring, so that a copy of it is detected. The slot does
not count in any feature.

Where amounts are converted, both are compared as they were published: a payment of 100.00 USD is taken back by 100.00
USD, whatever the rates of the two days. What a partial one subtracts, and what a capture counts with, is converted by
its own rate. `original` of a slot that counts is therefore the payment's published amount, as captured and taken back
so far, and its currency (`published_amount`); `NOT_CONVERTED` if `amount` and `currency` of the slot are these.

The arrays are documented in `arena` and `kernel_types`; `row` is an index in `Rows`, `slot`
in `Slots`, `i` in `Events`.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arena import (
    AMENDED,
    CAPTURED,
    COUNTED,
    HEADER_DIRTY,
    OVERFLOW_DIRTY,
    Overflows,
    Rows,
    Slots,
    Tops,
)
from fraudstream.engine.kernel_types import CAPTURE, Events
from fraudstream.engine.published_amount import NOT_CONVERTED, published, published_amount, published_currency
from fraudstream.engine.ring import find, mark


@jit
def apply_relation(events: Events, rows: Rows, slots: Slots, overflows: Overflows, tops: Tops, row: int, i: int) -> int:
    """Take back or capture the payment that event `i` relates to. Returns its slot.

    -1 if the ring does not hold it, or not as a payment that counts, was published in the event's currency and, if it
    was converted, to the same base. Then nothing changes, except that the overflow notes a payment that could not be
    corrected because it may have left the ring.
    """
    slot = payment_of(rows, slots, row, find(rows, slots, row, events.original[i]))
    if slot < 0:
        _note_uncorrected(rows, overflows, tops, row)
        return -1
    if not is_counted(slots, slot):
        return -1
    held = slots.original[slot]
    left, currency = published_amount(held, slots.amount[slot]), published_currency(held, slots.currency[slot])
    given = published_amount(events.published[i], events.amount[i])
    if currency != published_currency(events.published[i], events.currency[i]):
        return -1
    counted = events.amount[i]
    if slots.currency[slot] != events.currency[i]:
        if held != NOT_CONVERTED:
            return -1
        counted = given  # the payment is from before there was a base
    if events.relation[i] == CAPTURE:
        captured_before = (slots.mask[slot] & CAPTURED) != np.uint32(0)
        left = given + (left if captured_before else 0)
        slots.amount[slot] = counted + (slots.amount[slot] if captured_before else 0)
        slots.mask[slot] |= AMENDED | CAPTURED
    elif given < left:
        left -= given
        slots.amount[slot] = max(slots.amount[slot] - counted, 0)
        slots.mask[slot] |= AMENDED
    else:
        slots.amount[slot], slots.currency[slot], held = left, np.uint16(currency), NOT_CONVERTED
        slots.mask[slot] &= AMENDED
        rows.uncounted[row] += 1
    slots.original[slot] = NOT_CONVERTED if held == NOT_CONVERTED else published(left, currency)
    slots.dirty[slot] = True
    mark(rows, tops, row, HEADER_DIRTY)
    return slot


@jit
def payment_of(rows: Rows, slots: Slots, row: int, slot: int) -> int:
    """The slot of the payment that a slot is about: of a capture, that of its authorisation, -1 if the ring no longer
    holds it; else `slot` itself, which may be -1."""
    if slot < 0 or is_counted(slots, slot) or slots.original[slot] == np.uint64(0):
        return slot
    return find(rows, slots, row, slots.original[slot])


@jit
def original_of(rows: Rows, slots: Slots, row: int, event: np.uint64) -> np.uint64:
    """Digest of the payment that an event is about: of a capture that the ring holds, its payment's; else its own."""
    slot = find(rows, slots, row, event)
    if slot < 0 or is_counted(slots, slot) or slots.original[slot] == np.uint64(0):
        return event
    return np.uint64(slots.original[slot])


@jit
def is_counted(slots: Slots, slot: int) -> bool:
    """Whether features count the slot: not if it is a reversal, a capture or a payment that was taken back."""
    return bool((slots.mask[slot] & COUNTED) != np.uint32(0))


@jit
def _note_uncorrected(rows: Rows, overflows: Overflows, tops: Tops, row: int) -> None:
    """Note that a payment which may have left the ring, at the floor or before, was not taken back or captured."""
    overflow = rows.overflow[row]
    if overflow >= 0:
        overflows.uncorrected_ms[overflow] = rows.floor_ms[row]
        mark(rows, tops, row, OVERFLOW_DIRTY)
