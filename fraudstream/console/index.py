"""The rows of the queue in memory, kept by the feed of the topic `cases`: ordered, filtered and counted on demand.

Cases that are not closed are all here. Of closed ones the last `CLOSED_KEPT_MAX` to change are, so that memory and the
time of a query are bounded; older ones are still found by their id, in the view.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from typing import Final, NamedTuple

from fraudstream.console.case_row import CaseRow
from fraudstream.console.queue_query import DIMENSIONS, INACTIVE, NOBODY, Dimension, QueueQuery, SortKey

CLOSED_KEPT_MAX: Final = 5_000
_PAGES_KEPT: Final = 32


class QueuePage(NamedTuple):
    """A page of the queue. `total`: the rows that match, on all pages. `next_after`: the sort key that
    the next page begins after; None on the last page.

    `counts`: by filter, how many rows each of its values would match, the other filters being as they are.
    """

    rows: tuple[CaseRow, ...]
    total: int
    next_after: SortKey | None
    counts: dict[Dimension, dict[str, int]]


class CaseIndex:
    """The newest row of each case."""

    def __init__(self, closed_kept_max: int = CLOSED_KEPT_MAX) -> None:
        self._closed_kept_max = closed_kept_max
        self._active: dict[str, CaseRow] = {}
        self._closed: OrderedDict[str, CaseRow] = OrderedDict()  # the last to change at the end
        self._of_account: dict[str, set[str]] = {}
        self._pages: OrderedDict[tuple[QueueQuery, SortKey | None, int], QueuePage] = OrderedDict()

    def put(self, row: CaseRow) -> bool:
        """Add or replace the row of a case. False, and no change, if the index has the same or a newer version."""
        held = self.row(row.case_id)
        if held is not None and held.version >= row.version:
            return False
        self._active.pop(row.case_id, None)
        self._closed.pop(row.case_id, None)
        if row.status == "closed":
            self._closed[row.case_id] = row
            if len(self._closed) > self._closed_kept_max:
                self._forget(self._closed.popitem(last=False)[1])
        else:
            self._active[row.case_id] = row
        self._of_account.setdefault(row.account_id, set()).add(row.case_id)
        self._pages.clear()
        return True

    def row(self, case_id: str) -> CaseRow | None:
        """The row of a case; None if the index does not have it."""
        return self._active.get(case_id) or self._closed.get(case_id)

    def of_account(self, account_id: str) -> list[CaseRow]:
        """The rows of an account's cases, the newest first."""
        rows = [row for case_id in self._of_account.get(account_id, ()) if (row := self.row(case_id)) is not None]
        return sorted(rows, key=lambda row: row.opened_at_ms, reverse=True)

    def rows(self) -> Iterator[CaseRow]:
        """Every row: of cases that are not closed, then of closed ones."""
        yield from self._active.values()
        yield from self._closed.values()

    def page(self, query: QueueQuery, after: SortKey | None, limit: int) -> QueuePage:
        """The first `limit` rows of the query that come after `after` in its order."""
        asked = (query, after, limit)
        if (page := self._pages.get(asked)) is None:
            page = self._pages[asked] = self._new_page(query, after, limit)
            if len(self._pages) > _PAGES_KEPT:
                self._pages.popitem(last=False)
        return page

    def neighbours(self, row: CaseRow, query: QueueQuery) -> tuple[CaseRow | None, CaseRow | None]:
        """The rows of the query before and after `row`, which need not match it itself."""
        here = query.sort_key(row)
        tests = query.tests()
        keyed = [(query.sort_key(each), each) for each in self.rows() if all(passes(each) for _, passes in tests)]
        before = max((pair for pair in keyed if pair[0] < here), default=None, key=lambda pair: pair[0])
        behind = min((pair for pair in keyed if pair[0] > here), default=None, key=lambda pair: pair[0])
        return before and before[1], behind and behind[1]

    def _forget(self, row: CaseRow) -> None:
        ids = self._of_account[row.account_id]
        ids.discard(row.case_id)
        if not ids:
            del self._of_account[row.account_id]

    def _new_page(self, query: QueueQuery, after: SortKey | None, limit: int) -> QueuePage:
        matching: list[CaseRow] = []
        only_failing: dict[str, list[CaseRow]] = {dimension: [] for dimension in DIMENSIONS}
        tests = query.tests()
        for row in self.rows():
            failed = [name for name, passes in tests if not passes(row)]
            if not failed:
                matching.append(row)
            elif len(failed) == 1 and failed[0] in only_failing:
                only_failing[failed[0]].append(row)
        keyed = [(query.sort_key(row), row) for row in matching]
        waiting = keyed if after is None else [pair for pair in keyed if pair[0] > after]
        shown = nsmallest(limit, waiting, key=lambda pair: pair[0])
        return QueuePage(
            rows=tuple(row for _, row in shown),
            total=len(matching),
            next_after=shown[-1][0] if len(waiting) > len(shown) else None,
            counts={dimension: _counts(matching + only_failing[dimension], dimension) for dimension in DIMENSIONS},
        )


def _counts(rows: Sequence[CaseRow], dimension: Dimension) -> dict[str, int]:
    """How many of `rows` each value of a filter matches."""
    match dimension:
        case "status":
            counts = Counter[str](row.state for row in rows)
            return counts | {"active": len(rows) - sum(counts[state] for state in INACTIVE), "all": len(rows)}
        case "severity":
            return Counter(row.severity for row in rows)
        case "typology":
            return Counter(typology for row in rows for typology in row.typologies)
        case "assignee":
            return Counter(row.assignee or NOBODY for row in rows)
        case "queue":
            return Counter(row.queue for row in rows if row.queue is not None)
