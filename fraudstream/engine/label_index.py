"""The label index of a partition: it finds the payment of a label when the rings no longer hold it.

    payments ──► page ─► page ─► page …     in the order of the log, PAGE entries each
                 └ expired as a whole: its place is free for a new one

Its memory is bounded by the payments within the retention. It grows, and expired pages go, only here, between two
batches. `changes` gives the pages that changed since its last call: entries and labels are separate records, because
labels come long after their payments and in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from fraudstream.compiled.direct import Direct
from fraudstream.compiled.packed import Packed
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.key_index import NO_ROW, KeyIndex
from fraudstream.engine.label_entries import (
    COUNT,
    FIRST_PAGE,
    LOST,
    PAGE,
    WATERMARK,
    FoundLabels,
    LabelUse,
    empty_buckets,
    fill_buckets,
)
from fraudstream.engine.label_pages import NO_PAGE, PLACES, entries_of, labels_of, new_arrays, page_record, read_page
from fraudstream.engine.label_plan import LabelPlan
from fraudstream.engine.next_keys import NextKeys
from fraudstream.engine.numbered_rows import NumberedRows

_ENTRIES, _LABELS, _NEXT_KEYS, _ROWS = b"e", b"l", b"k", b"r"  # of the keys of records


class LabelIndex:
    """The entries of one partition. Keep no reference to `arrays`: growing replaces them.

    Compiled code reads and writes the entries in `arrays`; `arrays.bins[found.entry[i]]` are the bytes that the scorer
    keeps of the payment that event `i` is, or that the label `i` found.
    """

    def __init__(self, plan: LabelPlan, rows: Mapping[str, KeyIndex]) -> None:
        """`rows`: those of each entity of the stage, by its name."""
        self.plan = plan
        self.rows = {name: NumberedRows(rows[name]) for name in plan.entities}
        self.arrays = new_arrays(plan)
        self._number: Int64Array = np.full(PLACES, NO_PAGE, np.int64)  # number of the page at each place
        self._labels_number: Int64Array = self._number.copy()  # as restored: that of its labels
        self._free: list[int] = list(range(PLACES))  # a heap: the lowest place is taken first
        self._restored = False
        self.next_keys = NextKeys()
        self._fill, self._empty = Direct(fill_buckets), Direct(empty_buckets)

    @property
    def entries(self) -> int:
        """Entries held, expired ones included whose page is still there."""
        return int(self.arrays.top[COUNT] - self.arrays.top[FIRST_PAGE] * PAGE)

    @property
    def position(self) -> tuple[int, int, int]:
        """What is saved beside the pages: number of the first page, of entries ever made, and `LOST`."""
        top = self.arrays.top
        return int(top[FIRST_PAGE]), int(top[COUNT]), int(top[LOST])

    @property
    def memory_bytes(self) -> int:
        """Bytes of the pages in use and of the buckets."""
        pages = -(-self.entries // PAGE)
        return int(pages * PAGE * self.entry_bytes + self.arrays.bucket.nbytes)

    @property
    def entry_bytes(self) -> int:
        """Bytes of one entry, without its buckets."""
        return 25 + 8 * len(self.plan.entities) + 4 * self.plan.forwards + self.plan.bins

    def use_of(self, entity: str) -> LabelUse:
        """How an entity of the stage uses the index."""
        numbered = self.rows.get(entity)
        if numbered is None:
            return NO_USE._replace(kept=True)
        numbered.make_room()
        column = self.plan.entities.index(entity)
        return LabelUse(True, column == 0, column, numbered.number_of, numbered.row_of, numbered.count)

    def begin_batch(self, events: int) -> FoundLabels:
        """Make room for the payments among `events` events. Returns their entries, none found yet."""
        if self._restored:
            self._connect()
        top = self.arrays.top
        first, after = int(top[FIRST_PAGE]), int(top[COUNT]) + events
        self._make_room(-(-after // PAGE) - first)
        for number in range(-(-int(top[COUNT]) // PAGE), -(-after // PAGE)):
            self.arrays.page[number & (len(self.arrays.page) - 1)] = self._take_place(number)
        return FoundLabels(np.full(events, -1, np.int64), np.zeros(events, np.int8))

    def begin_pass(self, watermark_ms: int, lost_ms: int) -> None:
        """Before each entity of a batch: set the watermark and `LOST` to what they were before the batch."""
        self.arrays.top[WATERMARK], self.arrays.top[LOST] = watermark_ms, lost_ms

    def end_batch(self) -> None:
        """After the last entity: give back what was not needed, and drop pages whose entries are all expired."""
        arrays, top = self.arrays, self.arrays.top
        used = -(-int(top[COUNT]) // PAGE)
        for place in np.flatnonzero(self._number >= used).tolist():
            self._leave_place(place)
        since_ms = top[WATERMARK] - arrays.retention_ms
        while (int(top[FIRST_PAGE]) + 1) * PAGE <= top[COUNT]:
            place = int(arrays.page[int(top[FIRST_PAGE]) & (len(arrays.page) - 1)])
            if arrays.t[place * PAGE : place * PAGE + PAGE].max() >= since_ms:
                return
            self._empty(arrays, place)
            self._leave_place(place)
            top[FIRST_PAGE] += 1

    def note_next_keys(self, entry: Int64Array, keys: Packed) -> None:
        """Keep the keys that payments have in the next stage. `entry`: of each, as in `FoundLabels`; int64, shape (n,).
        `keys`: empty where a payment has none."""
        entered = entry >= 0
        numbers = self.next_keys.numbers_of(keys.rows(np.flatnonzero(entered)))
        self.arrays.next_key[entry[entered], 0] = numbers

    def next_keys_of(self, entry: Int64Array) -> list[bytes]:
        """The keys that the payments of labels have in the next stage; empty where one has none or is not found.
        `entry`: of each label, as in `FoundLabels`; int64, shape (labels,)."""
        numbers = np.where(entry >= 0, self.arrays.next_key[np.maximum(entry, 0), 0], NO_ROW)
        return self.next_keys.keys_of(numbers.tolist())

    def changes(self) -> list[tuple[bytes, bytes]]:
        """The records of what changed since the last call: (key, content). Keys are `e` and `l` with a place, of
        entries and of labels; `k` with a chunk, of next keys; `r`, entity, NUL and chunk, of numbered rows."""
        if self._restored:
            self._connect()
        arrays, records = self.arrays, []
        for letter, dirty, columns in (
            (_ENTRIES, arrays.entries_dirty, entries_of(arrays)),
            (_LABELS, arrays.labels_dirty, labels_of(arrays)),
        ):
            places = np.flatnonzero(dirty).tolist()
            dirty[:] = False
            records += [(b"%s%d" % (letter, place), self._content(place, columns)) for place in places]
        records += [(b"%s%d" % (_NEXT_KEYS, chunk), keys) for chunk, keys in self.next_keys.changes()]
        for name, numbered in self.rows.items():
            records += [(b"%s%s\0%d" % (_ROWS, name.encode(), chunk), keys) for chunk, keys in numbered.changes()]
        return records

    def restore(self, records: Iterable[tuple[bytes, bytes]], position: tuple[int, int, int]) -> None:
        """Read saved records back, in any order and in several calls. `position`: what it was when the last of them was
        saved, which says which of them count. Raises `ValueError` for records of another layout."""
        self.arrays.top[[FIRST_PAGE, COUNT, LOST]] = position
        self._restored = True
        for key, content in records:
            letter, rest = key[:1], key[1:]
            if letter == _ENTRIES:
                place = self._place(rest)
                self._number[place] = read_page(content, entries_of(self.arrays), place * PAGE)
            elif letter == _LABELS:
                place = self._place(rest)
                self._labels_number[place] = read_page(content, labels_of(self.arrays), place * PAGE)
            elif letter == _NEXT_KEYS:
                self.next_keys.restore([(int(rest), content)])
            else:
                name, _, chunk = rest.partition(b"\0")
                if name.decode() not in self.rows:
                    raise ValueError(
                        f"saved labels name rows of '{name.decode()}', which has none here: another layout."
                    )
                self.rows[name.decode()].restore([(int(chunk), content)])

    def _place(self, digits: bytes) -> int:
        """The place that a key names; there is one."""
        while int(digits) >= len(self._number):
            self._more_places()
        return int(digits)

    def _connect(self) -> None:
        """After a restore: find the pages that count, and put them into the buckets."""
        arrays, top = self.arrays, self.arrays.top
        first, end = int(top[FIRST_PAGE]), -(-int(top[COUNT]) // PAGE)
        self._restored = False
        for numbered in self.rows.values():
            numbered.connect()
        self._number[(self._number < first) | (self._number >= end)] = NO_PAGE
        self._free = np.flatnonzero(self._number == NO_PAGE).tolist()
        places = np.flatnonzero(self._number != NO_PAGE)
        assert len(places) == end - first, f"{len(places)} pages were restored of {first} to {end}"
        for place in np.flatnonzero(self._labels_number != self._number).tolist():
            for column in labels_of(arrays):
                column[place * PAGE : place * PAGE + PAGE] = 0
        self._make_room(end - first)
        self.arrays.page[self._number[places] & (len(self.arrays.page) - 1)] = places
        self.arrays.bucket[:] = 0
        self._fill(self.arrays)

    def _make_room(self, pages: int) -> None:
        """Grow until `pages` pages have places and buckets."""
        while pages - self._pages > len(self._free):
            self._more_places()
        arrays = self.arrays
        if pages > len(arrays.page):
            page = np.zeros(1 << (2 * pages - 1).bit_length(), np.int64)
            live = np.flatnonzero(self._number != NO_PAGE)
            page[self._number[live] & (len(page) - 1)] = live
            self.arrays = arrays = arrays._replace(page=page)
        if pages * PAGE * 4 > len(arrays.bucket) * 3:
            self.arrays = arrays._replace(bucket=np.zeros(1 << (2 * pages * PAGE - 1).bit_length(), np.uint64))
            self._fill(self.arrays)

    @property
    def _pages(self) -> int:
        return len(self._number) - len(self._free)

    def _more_places(self) -> None:
        """Grow by half: in place, as `arena` does."""
        have = len(self._number)
        more = have + have // 2
        for column in (*entries_of(self.arrays), *labels_of(self.arrays)):
            cast(Any, column).resize((more * PAGE, *column.shape[1:]), refcheck=False)
        for flags in (self.arrays.entries_dirty, self.arrays.labels_dirty):
            cast(Any, flags).resize(more, refcheck=False)
        new = np.full(more - have, NO_PAGE, np.int64)
        self._number, self._labels_number = (np.append(held, new) for held in (self._number, self._labels_number))
        for place in range(have, more):
            heappush(self._free, place)

    def _take_place(self, number: int) -> int:
        place = heappop(self._free)
        self._number[place] = number
        return place

    def _leave_place(self, place: int) -> None:
        self._number[place] = NO_PAGE
        self.arrays.entries_dirty[place] = self.arrays.labels_dirty[place] = False
        heappush(self._free, place)

    def _content(self, place: int, columns: Sequence[NDArray[Any]]) -> bytes:
        """A page as it is saved."""
        number = int(self._number[place])
        return page_record(number, columns, place * PAGE, min(PAGE, int(self.arrays.top[COUNT]) - number * PAGE))


# What the kernel gets where no index is kept.
NO_USE: Final = LabelUse(False, False, -1, np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(1, np.int64))
NO_ARRAYS: Final = new_arrays(LabelPlan((), 0, 0, False))
NO_FOUND: Final = FoundLabels(np.zeros(0, np.int64), np.zeros(0, np.int8))
