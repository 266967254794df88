"""A label in the state: it is written to its payment, in the ring or in the pane that has it. Compiled; called by the
kernel.

    label ──► entry of the label index ──► row of each entity ──► slot of the ring, or pane of the overflow
        └──► no entry: the rings of the entities that the label names, as far as they hold the payment

The arrays are documented in `arena`, `kernel_types` and `label_entries`; `row` is an index in `Rows`, `i` in `Events`.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arena import HEADER_DIRTY, LABELS_DIRTY, NEVER, OVERFLOW_DIRTY, Overflows, Rows, Slots, Tops
from fraudstream.engine.kernel_types import FRESH, LABEL, NAMED, UNMATCHED, Events, KernelPlan
from fraudstream.engine.label_entries import (
    NO_ENTRY,
    STALE,
    UNKNOWN,
    FoundLabels,
    LabelArrays,
    LabelUse,
    note_lost,
    resolve,
)
from fraudstream.engine.recent_labels import remember_label
from fraudstream.engine.relations import payment_of
from fraudstream.engine.ring import CELL_FRAUD, CELL_GENUINE, FRAUD, GENUINE, find, find_at, mark


@jit
def find_payment(
    events: Events, index: LabelArrays, found: FoundLabels, use: LabelUse, i: int, checks_row: bool
) -> None:
    """Look up the payment of label `i` in the index, once for all entities of the stage. `checks_row`: the payment must
    be of the account that the label names."""
    if not use.kept:
        return
    if use.resolves:
        if events.kind[i] == LABEL:
            resolve(index, events, found, use, i, checks_row)
        else:
            found.before[i] = UNKNOWN
    if found.entry[i] == NO_ENTRY:
        note_lost(index)


@jit
def apply_label(
    plan: KernelPlan,
    events: Events,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
    tops: Tops,
    index: LabelArrays,
    found: FoundLabels,
    use: LabelUse,
    row: int,
    i: int,
) -> int:
    """Write label `i` to its payment in this entity's state. Returns FRESH if the index has the payment, NAMED if only
    the ring of `row` holds it, the row that the label itself names, and else UNMATCHED."""
    if use.kept and use.column < 0:
        return UNMATCHED
    position = found.entry[i] if use.kept else NO_ENTRY
    if position == NO_ENTRY:
        return _apply_to_ring(events, rows, slots, tops, row, i) if row >= 0 else UNMATCHED
    number, before = index.row[position, use.column], found.before[i]
    if before == STALE or number < 0:
        return FRESH
    row = use.row_of[number]
    event, t, mask = index.event[position], index.t[position], index.mask[position, use.column]
    slot = find_at(rows, slots, row, event, t)
    if remember_label(tops.recent, row, event, before, events.label[i]):
        mark(rows, tops, row, LABELS_DIRTY)
    if slot >= 0:
        _write(events, rows, slots, tops, row, slot, i)
    elif before != events.label[i]:
        _correct_pane(plan, rows, overflows, tops, row, t // plan.pane_ms, mask, before, events.label[i])
    return FRESH


@jit
def _apply_to_ring(events: Events, rows: Rows, slots: Slots, tops: Tops, row: int, i: int) -> int:
    """Write label `i` to its payment's slot, unless the slot has a label of a later `labelled_at`; of equal times the
    log's last one counts. A label of a capture is one of the captured payment. Returns NAMED, or UNMATCHED if the ring
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
    if events.labelled_ms[i] >= slots.labelled_ms[slot]:
        _write(events, rows, slots, tops, row, slot, i)
    return NAMED


@jit
def _write(events: Events, rows: Rows, slots: Slots, tops: Tops, row: int, slot: int, i: int) -> None:
    """Write label `i` to a slot of the row."""
    if slots.label[slot] != events.label[i] or slots.labelled_ms[slot] != events.labelled_ms[i]:
        slots.label[slot] = events.label[i]
        slots.labelled_ms[slot] = events.labelled_ms[i]
        slots.dirty[slot] = True
        mark(rows, tops, row, HEADER_DIRTY)


@jit
def _correct_pane(
    plan: KernelPlan,
    rows: Rows,
    overflows: Overflows,
    tops: Tops,
    row: int,
    pane: int,
    mask: np.uint32,
    before: int,
    label: int,
) -> None:
    """Count a payment that has left the ring under its new label, in the cells of its pane, unless a newer pane has
    replaced that. `pane`: its number. `mask`: what the payment passes. `before`: its label until now."""
    overflow = rows.overflow[row]
    if overflow < 0 or overflows.pane.shape[1] == 0:
        return
    place = pane % overflows.pane.shape[1]
    if overflows.pane[overflow, place] != pane:
        return
    changed = False
    for cell in range(len(plan.cell_kind)):
        kind, filter_bits = plan.cell_kind[cell], plan.cell_filter[cell]
        if (kind != CELL_FRAUD and kind != CELL_GENUINE) or (mask & filter_bits) != filter_bits:
            continue
        of_cell = FRAUD if kind == CELL_FRAUD else GENUINE
        if before == of_cell or label == of_cell:
            overflows.cell[overflow, place, cell] += 1.0 if label == of_cell else -1.0
            changed = True
    if changed:
        overflows.dirty[overflow, place] = True
        mark(rows, tops, row, OVERFLOW_DIRTY)
