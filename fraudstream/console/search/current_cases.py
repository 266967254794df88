"""The cases of one moment: those committed to the index, and those that have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fraudstream.console.case_row import CaseRow
from fraudstream.console.queue_order import SortKey, sort_key
from fraudstream.console.queue_query import INACTIVE, Dimension, QueueQuery
from fraudstream.console.search.committed_cases import CommittedCases, Direction
from fraudstream.console.search.committed_tally import committed_tally
from fraudstream.console.search.entry import CaseEntry
from fraudstream.console.search.filter_counts import counts_of, plus
from fraudstream.console.search.tally import Tallied, Tally, tallied


class QueuePage(NamedTuple):
    """A page of the queue. `total`: the rows that match, on all pages. `next_after`: the sort key that
    the next page begins after; None on the last page.

    `counts`: by filter, how many rows each of its values would match, the other filters being as they are.
    """

    rows: tuple[CaseRow, ...]
    total: int
    next_after: SortKey | None
    counts: dict[Dimension, dict[str, int]]


class CurrentCases:
    """`recent`: by id, the cases that have changed since `committed`; None: deleted."""

    def __init__(self, committed: CommittedCases, recent: Mapping[str, CaseEntry | None]) -> None:
        self._committed, self._changed = committed, recent.keys()
        self._recent = [entry for entry in recent.values() if entry is not None]

    def page(self, query: QueueQuery, after: SortKey | None, limit: int) -> QueuePage:
        """The first `limit` rows of the query that come after `after` in its order."""
        found = self.rows(query, after, "after", limit + 1)
        counts = self._counts(query)
        return QueuePage(
            rows=tuple(row for _, row in found[:limit]),
            total=counts["status"].get(query.status, 0),
            next_after=found[limit - 1][0] if len(found) > limit else None,
            counts=counts,
        )

    def rows(
        self, query: QueueQuery, bound: SortKey | None, direction: Direction, limit: int
    ) -> list[tuple[SortKey, CaseRow]]:
        """The `limit` rows of a query that are nearest to `bound` on one side, the nearest first."""
        found = self._committed.rows(query, self._changed, bound, direction, limit)
        tests = query.tests()
        for entry in self._recent:
            if all(passes(entry) for _, passes in tests):
                key = sort_key(entry.row, query.order)
                if bound is None or (key > bound if direction == "after" else key < bound):
                    found.append((key, entry.row))
        return sorted(found, key=lambda each: each[0], reverse=direction == "before")[:limit]

    def tally(self, asked: Tally) -> Tallied:
        """Counts and sums over the cases that match a query."""
        return committed_tally(self._committed, self._changed, asked).plus(tallied(self._recent, asked))

    def of_account(self, account_id: str) -> list[CaseRow]:
        """The rows of an account's newest cases, the newest first."""
        rows = [row for row in self._committed.of_account(account_id) if row.case_id not in self._changed]
        rows += [entry.row for entry in self._recent if account_id in entry.row.accounts]
        return sorted(rows, key=lambda row: row.opened_at_ms, reverse=True)

    def _counts(self, query: QueueQuery) -> dict[Dimension, dict[str, int]]:
        found = plus(self._committed.counts(query, self._changed), counts_of(self._recent, query))
        counts: dict[Dimension, dict[str, int]] = dict(found)
        states = found["status"]
        everything = sum(states.values())
        counts["status"] = states | {
            "active": everything - sum(states.get(each, 0) for each in INACTIVE),
            "all": everything,
        }
        return counts
