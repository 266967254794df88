"""The update of one entity's state by a batch, event by event: answer every feature of a payment from what came before
it, then add the payment.

A reversal or capture corrects the payment that it relates to before its own features are answered (`relations`).

Events are processed one after the other, so it does not matter where batches end. Windows are spans of event time,
`(t - delay - window, t - delay]`, over the payments that precede this one in the log:

        t - delay - window            t - delay          t
    ────────┤━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┝──────────────────┼──── event time
            └ not in the window           └ in the window    └ this payment

Compiled by numba; with the JIT switched off the same functions run as plain Python and give the same bits. Arrays and
their fields are documented in `kernel_types` and `arena`; `row` is an index in `Rows`, `slot` in `Slots`, `i` in
`Events`; times are ms since the epoch, UTC.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.adding import add_payment, is_late
from fraudstream.engine.answering import answer_features
from fraudstream.engine.arena import (
    AMENDED,
    FIELDS_MAX,
    HEADER_DIRTY,
    OVERFLOWS_USED,
    SLOTS_USED,
    Overflows,
    Rows,
    Slots,
    Tops,
)
from fraudstream.engine.arrays import Int8Array, Int32Array, Int64Array, UInt64Array
from fraudstream.engine.kernel_types import (
    ALTERED,
    CAPTURE,
    DONE,
    FRESH,
    LABEL,
    LATE,
    NAMED_LABEL,
    NEEDS_OVERFLOWS,
    NEEDS_SLOTS,
    PAYMENT,
    REPEAT,
    UNRELATED,
    Answers,
    Events,
    KernelPlan,
    Scratch,
)
from fraudstream.engine.label_entries import FoundLabels, LabelArrays, LabelUse, add_row, enter, see, uncount
from fraudstream.engine.labelling import apply_label, find_payment
from fraudstream.engine.published_amount import NOT_CONVERTED, published_amount, published_currency
from fraudstream.engine.relations import apply_relation, is_counted, original_of
from fraudstream.engine.ring import find, mark


@entry_point
def update(
    plan: KernelPlan,
    events: Events,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
    tops: Tops,
    scratch: Scratch,
    answers: Answers,
    index: LabelArrays,
    found: FoundLabels,
    use: LabelUse,
    first: int,
) -> tuple[int, int]:
    """Apply the events from index `first` on. Returns the index of the next event and why the update stopped there:
    NEEDS_SLOTS or NEEDS_OVERFLOWS if the arena must grow first, DONE at the end.

    `index`, `found`, `use`: the label index, what its events are there, and how this entity uses it (`label_entries`).

    Invariant: an event is applied completely or not at all, because room for it is checked before.
    """
    slots_max = plan.sizes[len(plan.sizes) - 1]
    scratch.touched[0] = _prefetch(events.row, rows, slots)
    for i in range(first, len(events.kind)):
        row = events.row[i]
        if events.kind[i] == LABEL or events.kind[i] == NAMED_LABEL:
            find_payment(events, index, found, use, i, plan.guards)
            answers.status[i] = apply_label(plan, events, rows, slots, overflows, tops, index, found, use, row, i)
            continue
        if row < 0:
            if use.resolves and events.kind[i] == PAYMENT:
                of_capture = events.original[i] if events.relation[i] == CAPTURE else np.uint64(0)
                enter(index, found, use, i, events.event[i], events.t[i], row, np.uint32(0), of_capture)
            if use.kept:
                see(index, events.t[i])
            continue
        if tops.used[SLOTS_USED] + slots_max >= len(slots):
            return i, NEEDS_SLOTS
        if tops.used[OVERFLOWS_USED] >= len(overflows.pane):
            return i, NEEDS_OVERFLOWS
        if use.kept:
            see(index, events.t[i])
        known = find(rows, slots, row, events.event[i]) if plan.guards else -1
        if known >= 0:
            answers.status[i] = ALTERED if _altered(slots, known, events, i) else REPEAT
            if plan.keeps_verdicts:
                answers.first_score[i] = slots.score[known]
                answers.first_verdict[i] = slots.verdict[known]
                continue
        added = known < 0 and events.kind[i] == PAYMENT
        original = np.uint64(0)
        if added and events.relation[i] != UNRELATED:
            original = _correct(plan, events, rows, slots, overflows, tops, answers, index, use, row, i)
        answer_features(plan, events, rows, slots, overflows, scratch, answers, index, tops.recent, row, i)
        if added:
            answers.status[i] = add_payment(plan, events, rows, slots, overflows, tops, row, i, original)
            if use.kept and not (plan.guards and answers.status[i] == LATE):
                _index(events, index, found, use, row, i, original)
    return len(events.kind), DONE


@jit
def _index(
    events: Events, index: LabelArrays, found: FoundLabels, use: LabelUse, row: int, i: int, original: np.uint64
) -> None:
    """Enter payment `i`, which was added to its row, in the label index; a further entity adds its row to the entry."""
    if use.resolves:
        of_capture = original if events.relation[i] == CAPTURE else np.uint64(0)
        enter(index, found, use, i, events.event[i], events.t[i], row, events.mask[i], of_capture)
    elif use.column >= 0 and found.entry[i] >= 0:
        add_row(index, use, found.entry[i], row, events.mask[i])


@jit
def _prefetch(row: Int64Array, rows: Rows, slots: Slots) -> int:
    """Read a part of each row's header and slots, so that the cache misses of many rows overlap; without it an update
    takes a third longer. Returns a sum that the caller stores, so that the compiler keeps the reads.

    `row`: int64, shape (n,), -1 for events without a row.
    """
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
def _correct(
    plan: KernelPlan,
    events: Events,
    rows: Rows,
    slots: Slots,
    overflows: Overflows,
    tops: Tops,
    answers: Answers,
    index: LabelArrays,
    use: LabelUse,
    row: int,
    i: int,
) -> np.uint64:
    """Apply the reversal or capture `i` to the payment that it relates to, and write `answers.unmatched`. A late one
    may be a copy, and has no effect. Returns the digest of that payment's event_id, as far as it is known."""
    late = plan.guards and is_late(plan, events, rows, overflows, row, i)
    slot = -1 if late else apply_relation(events, rows, slots, overflows, tops, row, i)
    answers.unmatched[i] = slot < 0
    if slot >= 0 and use.column >= 0 and not is_counted(slots, slot):
        uncount(index, use, slots.event[slot], slots.t[slot], row)
    return np.uint64(original_of(rows, slots, row, events.original[i]))


@jit
def _altered(slots: Slots, slot: int, events: Events, i: int) -> bool:
    """Whether the event differs from the content of the payment that the slot holds, as both were published. The
    published amount is not known of one that was captured or partly taken back."""
    differs = slots.t[slot] != events.t[i]
    amended = (slots.mask[slot] & AMENDED) != np.uint32(0)
    held = slots.original[slot] if is_counted(slots, slot) else NOT_CONVERTED
    amount = published_amount(held, slots.amount[slot])
    differs |= amount != published_amount(events.published[i], events.amount[i]) and not amended
    currency = published_currency(held, slots.currency[slot])
    differs |= currency != published_currency(events.published[i], events.currency[i])
    for field in range(FIELDS_MAX):
        differs |= slots.code[slot, field] != events.code[i, field]
    return bool(differs)


@entry_point
def remember_verdicts(
    rows: Rows,
    slots: Slots,
    tops: Tops,
    status: Int8Array,
    row: Int64Array,
    event: UInt64Array,
    score: Int32Array,
    finding: Int64Array,
) -> None:
    """Write the first verdict of each fresh payment beside it, where the ring still holds it: the answer to a repeat.

    Of n payments: `status`, `row`, `event`: as of `Answers` and `Events`; `score`: millionths; `finding`: index
    into the state's findings.
    """
    for i in range(len(row)):
        slot = find(rows, slots, row[i], event[i]) if status[i] == FRESH else -1
        if slot >= 0:
            slots.score[slot] = score[i]
            slots.verdict[slot] = np.int32(finding[i])
            slots.dirty[slot] = True
            mark(rows, tops, row[i], HEADER_DIRTY)
