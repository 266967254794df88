"""The entries of a label index: what a label needs in order to find its payment. Compiled; called by the kernel.

    digest of event_id ──► bucket ──► position ──► event time, row and mask for each entity, label, `labelled_at`, bins

Entries are numbered in the order in which their payments were added to the state. Entry number k is in page k // PAGE,
and a page is anywhere in the arrays: its position is that of its page and k % PAGE. Buckets are open addressing with
linear probing, at most three quarters full: 32 bits of the digest, and position + 1; 0 is free.

An entry is *expired* once its payment is older than the watermark by more than the retention. What is expired is not
found, whether or not its page is still there, so what labels do does not depend on batches. The first payment with an
event_id has the entry, until it is expired: if accounts share an event_id, the labels of the others find their payment
in rings alone.

The arrays are documented in `LabelArrays`; `position` is an index in them, `i` in `Events`; times are ms since the
epoch, UTC.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.arena import COUNTED
from fraudstream.engine.arrays import BoolArray, Int8Array, Int32Array, Int64Array, UInt8Array, UInt32Array, UInt64Array
from fraudstream.engine.kernel_types import Events
from fraudstream.engine.label_buckets import HALF, empty_bucket, fill_bucket, home_of, position_in

PAGE: Final = 64  # entries of a page, and of a changelog record

FIRST_PAGE, COUNT, WATERMARK, LOST = range(4)  # of `LabelArrays.top`

NO_ENTRY: Final = -1
# Of a label: the label that its payment had before, or why the label changes nothing. STALE: the payment has a label of
# a later `labelled_at`. UNKNOWN, EXPIRED: no entry; the payment is older than the retention. OTHER_ACCOUNT: the entry
# is of a payment of another account.
STALE, UNKNOWN, EXPIRED, OTHER_ACCOUNT = -1, -2, -3, -4

_CAPTURE: Final = 3  # instead of a label: a capture, whose `labelled_ms` is the digest of its payment's event_id
_CAPTURES_MAX: Final = 8  # captures that name captures; two may name each other


class LabelArrays(NamedTuple):
    """The entries of one partition. A column belongs to an entity of the stage, column 0 to its first."""

    event: UInt64Array  # (entries,): digest of event_id
    t: Int64Array  # (entries,): event time
    labelled_ms: Int64Array  # (entries,): `labelled_at` of the label; 0 without one
    label: Int8Array  # (entries,): 0 unknown, 1 genuine, 2 fraud, or _CAPTURE
    row: Int32Array  # (entries, columns): number of the entity's row (`numbered_rows`), -1 without one
    mask: UInt32Array  # (entries, columns): as `arena.SLOT`: what the payment passes, and whether it counts
    next_key: Int32Array  # (entries, 1): number of the payment's key in the next stage, -1 without one; (entries, 0)
    bins: UInt8Array  # (entries, width): what the scorer keeps of the payment for its label
    page: Int64Array  # (a power of two,): where page number p is, at index p % len: position of its first entry / PAGE
    entries_dirty: BoolArray  # (places of pages,): entries were added or masks changed since the last checkpoint
    labels_dirty: BoolArray  # (places of pages,): labels were
    bucket: UInt64Array  # (a power of two,)
    top: Int64Array  # (4,): first page, number of entries ever made, watermark, LOST: see `labels_lost`
    retention_ms: int


class FoundLabels(NamedTuple):
    """Of each event of a batch, for all entities. `entry`: position of the entry that a payment got or a label found,
    or NO_ENTRY; int64. `before`: of a label, what its payment had before, or STALE, UNKNOWN, …; int8; both (n,)."""

    entry: Int64Array
    before: Int8Array


class LabelUse(NamedTuple):
    """How one entity uses the index. `kept`: there is one. `resolves`: it is the stage's first entity, which enters
    payments and finds labels for all. `column`: of the entity, -1 if none of its features reads labels. `number_of`,
    `row_of`: as of `numbered_rows`; `numbers`: its `count`."""

    kept: bool
    resolves: bool
    column: int
    number_of: Int32Array
    row_of: Int32Array
    numbers: Int64Array


@jit
def find_entry(index: LabelArrays, event: np.uint64) -> int:
    """Position of the entry with this digest of event_id that is not expired, or NO_ENTRY."""
    since_ms = index.top[WATERMARK] - index.retention_ms
    mask = len(index.bucket) - 1
    at = home_of(event, mask)
    while index.bucket[at] != np.uint64(0):
        position = position_in(index.bucket[at])
        if index.bucket[at] >> HALF == event >> HALF and index.event[position] == event:  # noqa: SIM102
            if index.t[position] >= since_ms:
                return position
        at = (at + 1) & mask
    return NO_ENTRY


@jit
def _number_of(use: LabelUse, row: int) -> int:
    """The number of a row; a new one if it has none; -1 for no row."""
    if row < 0:
        return -1
    number = use.number_of[row]
    if number < 0:
        number = np.int32(use.numbers[0])
        use.number_of[row], use.row_of[number] = number, row
        use.numbers[0] += 1
    return int(number)


@jit
def enter(
    index: LabelArrays,
    found: FoundLabels,
    use: LabelUse,
    i: int,
    event: np.uint64,
    t: int,
    row: int,
    mask: np.uint32,
    original: np.uint64,
) -> None:
    """Make an entry for payment `i`, unless its event_id has one. The caller has made room. `original`: of a capture,
    digest of the payment's event_id; else 0."""
    if find_entry(index, event) != NO_ENTRY:
        return
    number = index.top[COUNT]
    place = index.page[(number // PAGE) & (len(index.page) - 1)]
    position = place * PAGE + number % PAGE
    index.event[position], index.t[position] = event, t
    index.labelled_ms[position], index.label[position] = 0, 0
    if original != np.uint64(0):
        index.labelled_ms[position], index.label[position] = np.int64(original), _CAPTURE
        index.labels_dirty[place] = True
    for column in range(index.row.shape[1]):
        index.row[position, column], index.mask[position, column] = -1, np.uint32(0)
    for k in range(index.next_key.shape[1]):
        index.next_key[position, k] = -1
    for k in range(index.bins.shape[1]):
        index.bins[position, k] = 0
    index.row[position, 0], index.mask[position, 0] = _number_of(use, row), mask
    index.entries_dirty[place] = True
    fill_bucket(index.bucket, event, position)
    index.top[COUNT] = number + 1
    found.entry[i] = position


@jit
def add_row(index: LabelArrays, use: LabelUse, position: int, row: int, mask: np.uint32) -> None:
    """Note the row of a further entity of the payment, and what it passes there."""
    index.row[position, use.column], index.mask[position, use.column] = _number_of(use, row), mask


@jit
def uncount(index: LabelArrays, use: LabelUse, event: np.uint64, t: int, row: int) -> None:
    """Note that the payment was taken back: a label no longer counts in the panes of that entity.

    Looks for entity and time too, not for expiry, so that entries made later in the batch are not taken for it.
    """
    number, column = use.number_of[row], use.column
    mask = len(index.bucket) - 1
    at = home_of(event, mask)
    while index.bucket[at] != np.uint64(0):
        position = position_in(index.bucket[at])
        if index.event[position] == event and index.t[position] == t and index.row[position, column] == number:
            index.mask[position, column] &= ~COUNTED
            index.entries_dirty[position // PAGE] = True
            return
        at = (at + 1) & mask


@jit
def resolve(index: LabelArrays, events: Events, found: FoundLabels, use: LabelUse, i: int, checks_row: bool) -> None:
    """Find the payment of label `i`, write its label, and fill in `found`. Of two labels of a payment that of the later
    `labelled_at` counts, of equal times the log's last one. A label of a capture is one of the captured payment.

    `checks_row`: the label's own row must be that of the payment's first entity.
    """
    position = _payment_of(index, find_entry(index, events.event[i]))
    if position == NO_ENTRY:
        found.before[i] = EXPIRED if _is_expired(index, events.event[i], events.t[i]) else UNKNOWN
        return
    if checks_row and (events.row[i] < 0 or index.row[position, 0] != use.number_of[events.row[i]]):
        found.before[i] = OTHER_ACCOUNT
        return
    found.entry[i] = position
    if events.labelled_ms[i] < index.labelled_ms[position]:
        found.before[i] = STALE
        return
    found.before[i] = index.label[position]
    if index.label[position] != events.label[i] or index.labelled_ms[position] != events.labelled_ms[i]:
        index.label[position], index.labelled_ms[position] = events.label[i], events.labelled_ms[i]
        index.labels_dirty[position // PAGE] = True


@jit
def note_lost(index: LabelArrays) -> None:
    """Note that a label found no entry, so that its payment, if there is one, is older than the retention, and the
    label may be missing in what has left the rings: see `labels_lost`."""
    index.top[LOST] = max(index.top[LOST], index.top[WATERMARK] - index.retention_ms)


@jit
def labels_lost(index: LabelArrays, since_ms: int) -> bool:
    """Whether labels of payments after `since_ms` may be missing: one came that found no entry, and its payment may be
    as young as that."""
    return bool(since_ms < index.top[LOST])


@jit
def see(index: LabelArrays, t: int) -> None:
    """A payment of event time `t` was read: advance the watermark."""
    index.top[WATERMARK] = max(index.top[WATERMARK], t)


@entry_point
def fill_buckets(index: LabelArrays) -> None:
    """Put the entries of all pages in order into the buckets, which are empty and enough."""
    for number in range(index.top[FIRST_PAGE] * PAGE, index.top[COUNT]):
        position = index.page[(number // PAGE) & (len(index.page) - 1)] * PAGE + number % PAGE
        fill_bucket(index.bucket, index.event[position], position)


@entry_point
def empty_buckets(index: LabelArrays, place: int) -> None:
    """Take the entries of a full page out of the buckets. `place`: where the page is."""
    mask = len(index.bucket) - 1
    for position in range(place * PAGE, place * PAGE + PAGE):
        at = home_of(index.event[position], mask)
        while position_in(index.bucket[at]) != position:
            assert index.bucket[at] != np.uint64(0), "an entry has a bucket"
            at = (at + 1) & mask
        empty_bucket(index.bucket, at)


@jit
def _payment_of(index: LabelArrays, position: int) -> int:
    """The entry of the payment that an entry is about: of a capture (also of one that names another) that of the
    captured payment, NO_ENTRY if it has none; else `position` itself, which may be NO_ENTRY."""
    for _ in range(_CAPTURES_MAX):
        if position == NO_ENTRY or index.label[position] != _CAPTURE:
            return position
        position = find_entry(index, np.uint64(index.labelled_ms[position]))
    return NO_ENTRY


@jit
def _is_expired(index: LabelArrays, event: np.uint64, t: int) -> bool:
    """Whether a payment without an entry is older than the retention, as far as that is known: by the label's time of
    the payment, which is a hint, or by an expired entry that is still there."""
    if t >= 0 and t < index.top[WATERMARK] - index.retention_ms:
        return True
    mask = len(index.bucket) - 1
    at = home_of(event, mask)
    while index.bucket[at] != np.uint64(0):
        if index.event[position_in(index.bucket[at])] == event:
            return True
        at = (at + 1) & mask
    return False
