"""A label in the state: it is written to its payment's slot. Compiled; called by the kernel.

The arrays are documented in `arena` and `kernel_types`; `row` is an index in `Rows`, `i` in `Events`.
"""

from __future__ import annotations

from fraudstream.compiled.jit import jit
from fraudstream.engine.arena import HEADER_DIRTY, NEVER, Rows, Slots, Tops
from fraudstream.engine.kernel_types import FRESH, UNMATCHED, Events
from fraudstream.engine.relations import payment_of
from fraudstream.engine.ring import find, find_at, mark


@jit
def apply_label(events: Events, rows: Rows, slots: Slots, tops: Tops, row: int, i: int) -> int:
    """Write label `i` to its payment's slot, unless the slot has a label of a later `labelled_at`; of equal times the
    log's last one counts. A label of a capture is one of the captured payment. Returns FRESH, or UNMATCHED if the ring
    does not hold the payment.

    The label's time of the payment is a hint that shortens the search: a wrong one does not lose the label.
    """
    t, event = events.t[i], events.event[i]
    slot = -1 if t == NEVER else find_at(rows, slots, row, event, t)
    if slot < 0:
        slot = find(rows, slots, row, event)
    slot = payment_of(rows, slots, row, slot)
    if slot < 0:
        return UNMATCHED
    if events.labelled_ms[i] < slots.labelled_ms[slot]:
        return FRESH
    if slots.label[slot] != events.label[i] or slots.labelled_ms[slot] != events.labelled_ms[i]:
        slots.label[slot] = events.label[i]
        slots.labelled_ms[slot] = events.labelled_ms[i]
        slots.dirty[slot] = True
        mark(rows, tops, row, HEADER_DIRTY)
    return FRESH
