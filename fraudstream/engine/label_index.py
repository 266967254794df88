"""The label index of a partition: it finds the payment of a label when the rings no longer hold it.

    payments ──► page ─► page ─► page …     in the order of the log, PAGE entries each
                 └ expired as a whole: its place is free for a new one

Its memory is bounded by the payments within the retention. It grows, and expired pages go, only here, between two
batches. `changes` gives the pages that changed since its last call: entries and labels are separate records, because
labels come long after their payments and in any order. The layout of a record is in `_entries_record` and
`_labels_record`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from fraudstream.compiled.direct import Direct
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.label_entries import (
    COUNT,
    FIRST_PAGE,
    LOST,
    PAGE,
    WATERMARK,
    FoundLabels,
    LabelArrays,
    LabelUse,
    empty_buckets,
    fill_buckets,
)
from fraudstream.engine.label_plan import LabelPlan

NO_PAGE: Final = -1
_PLACES = 16  # places of pages at first


class LabelIndex:
    """The entries of one partition. Keep no reference to `arrays`: growing replaces them.

    Compiled code reads and writes the entries in `arrays`; `arrays.bins[found.entry[i]]` are the bytes that the scorer
    keeps of the payment that event `i` is, or that the label `i` found.
    """

    def __init__(self, plan: LabelPlan) -> None:
        self.plan = plan
        self.arrays = _new_arrays(plan)
        self._number: Int64Array = np.full(_PLACES, NO_PAGE, np.int64)  # number of the page at each place
        self._labels_number: Int64Array = self._number.copy()  # as restored: that of its labels
        self._free: list[int] = list(range(_PLACES))  # a heap: the lowest place is taken first
        self._restored = False
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
        return 25 + 8 * len(self.plan.entities) + self.plan.bins

    def use_of(self, entity: str) -> LabelUse:
        """How an entity of the stage uses the index."""
        names = self.plan.entities
        column = names.index(entity) if entity in names else -1
        return LabelUse(True, column == 0, column)

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

    def changes(self) -> tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]]:
        """The records of entries and of labels that changed since the last call: (place, content)."""
        if self._restored:
            self._connect()
        arrays, records = self.arrays, []
        for dirty, record in (
            (arrays.entries_dirty, self._entries_record),
            (arrays.labels_dirty, self._labels_record),
        ):
            places = np.flatnonzero(dirty).tolist()
            dirty[:] = False
            records.append([(place, record(place)) for place in places])
        return records[0], records[1]

    def restore(
        self,
        entries: Iterable[tuple[int, bytes]],
        labels: Iterable[tuple[int, bytes]],
        position: tuple[int, int, int],
    ) -> None:
        """Read saved records back, in any order and in several calls. `position`: what it was when the last of them was
        saved, which says which of them count. Raises `ValueError` for records of another layout."""
        self.arrays.top[[FIRST_PAGE, COUNT, LOST]] = position
        self._restored = True
        arrays_of = (_entries_of, _labels_of)
        for records, columns_of in zip((entries, labels), arrays_of, strict=True):
            for place, content in records:
                while place >= len(self._number):
                    self._more_places()
                numbers = self._number if columns_of is _entries_of else self._labels_number
                numbers[place] = int.from_bytes(content[:8], "little")
                _read(content, [column[place * PAGE : place * PAGE + PAGE] for column in columns_of(self.arrays)])

    def _connect(self) -> None:
        """After a restore: find the pages that count, and put them into the buckets."""
        arrays, top = self.arrays, self.arrays.top
        first, end = int(top[FIRST_PAGE]), -(-int(top[COUNT]) // PAGE)
        self._restored = False
        self._number[(self._number < first) | (self._number >= end)] = NO_PAGE
        self._free = np.flatnonzero(self._number == NO_PAGE).tolist()
        places = np.flatnonzero(self._number != NO_PAGE)
        assert len(places) == end - first, f"{len(places)} pages were restored of {first} to {end}"
        for place in np.flatnonzero(self._labels_number != self._number).tolist():
            for column in _labels_of(arrays):
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
        for column in (*_entries_of(self.arrays), *_labels_of(self.arrays)):
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

    def _entries_record(self, place: int) -> bytes:
        """Number of the page, and of its entries event, t, row, mask, bins: one column after the other."""
        return self._record(place, _entries_of(self.arrays))

    def _labels_record(self, place: int) -> bytes:
        """Number of the page, and of its entries labelled_ms and label: one column after the other."""
        return self._record(place, _labels_of(self.arrays))

    def _record(self, place: int, columns: Sequence[NDArray[Any]]) -> bytes:
        number, begin = int(self._number[place]), place * PAGE
        end = begin + min(PAGE, int(self.arrays.top[COUNT]) - number * PAGE)
        return b"".join([number.to_bytes(8, "little"), *(column[begin:end].tobytes() for column in columns)])


def _new_arrays(plan: LabelPlan) -> LabelArrays:
    """Without entries."""
    n, columns = _PLACES * PAGE, len(plan.entities)
    return LabelArrays(
        event=np.zeros(n, np.uint64),
        t=np.zeros(n, np.int64),
        labelled_ms=np.zeros(n, np.int64),
        label=np.zeros(n, np.int8),
        row=np.zeros((n, columns), np.int32),
        mask=np.zeros((n, columns), np.uint32),
        bins=np.zeros((n, plan.bins), np.uint8),
        page=np.zeros(_PLACES, np.int64),
        entries_dirty=np.zeros(_PLACES, np.bool_),
        labels_dirty=np.zeros(_PLACES, np.bool_),
        bucket=np.zeros(2 * n, np.uint64),
        top=np.array([0, 0, NEVER, NEVER], np.int64),
        retention_ms=plan.retention_ms,
    )


def _entries_of(arrays: LabelArrays) -> tuple[NDArray[Any], ...]:
    """The columns of an entries record, in order."""
    return arrays.event, arrays.t, arrays.row, arrays.mask, arrays.bins


def _labels_of(arrays: LabelArrays) -> tuple[NDArray[Any], ...]:
    """The columns of a labels record, in order."""
    return arrays.labelled_ms, arrays.label


def _read(content: bytes, columns: Sequence[NDArray[Any]]) -> None:
    """Fill a page's columns from a record; what it does not have becomes 0."""
    width = sum(column.nbytes // PAGE for column in columns)
    count, rest = divmod(len(content) - 8, width)
    if rest or not 0 < count <= PAGE:
        raise ValueError("a saved page of the label index has a length that no page has: another layout.")
    at = 8
    for column in columns:
        size = column.nbytes // PAGE * count
        column[:count] = np.frombuffer(content, column.dtype, size // column.itemsize, at).reshape(
            (count, *column.shape[1:])
        )
        column[count:] = 0
        at += size


# What the kernel gets where no index is kept.
NO_USE: Final = LabelUse(False, False, -1)
NO_ARRAYS: Final = _new_arrays(LabelPlan((), 0, 0, False))
NO_FOUND: Final = FoundLabels(np.zeros(0, np.int64), np.zeros(0, np.int8))
