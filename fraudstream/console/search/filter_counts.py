"""How many cases each value of each filter of the queue would match; the counts that are kept over commits.

To count all cases of an index takes the longer the more there are. A commit changes a few: so the counts of queries
that are asked again and again are carried over it, less the changed cases as they were, plus these as they are now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock
from typing import Final

from fraudstream.console.case_row import CaseRow
from fraudstream.console.queue_query import DIMENSIONS, NOBODY, Dimension, QueueQuery
from fraudstream.console.search.entry import CaseEntry

KEPT_MAX: Final = 64
CARRIED_MAX: Final = 16  # over a commit: each costs a search for the changed cases
CHANGES_CARRIED_MAX: Final = 1_000  # of a commit; with more of them it is as quick to count anew
UNASKED_COMMITS_MAX: Final = 20  # 10 s at the shortest interval

FilterCounts = dict[Dimension, Counter[str]]


class KeptCounts:
    """The counts of one commit, by query. Methods may be called in any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        # In the order of asking. With each: over how many commits it has been carried without being asked.
        self._kept: dict[QueueQuery, tuple[FilterCounts, int]] = {}

    def asked(self, query: QueueQuery) -> FilterCounts | None:
        """The counts of a query that is asked now; None if they are not kept."""
        with self._lock:
            found = self._kept.pop(query, None)
            if found is None:
                return None
            self._kept[query] = found[0], 0
            return found[0]

    def keep(self, query: QueueQuery, counts: FilterCounts, unasked_commits: int = 0) -> None:
        """Keep the counts of a query."""
        with self._lock:
            self._kept[query] = counts, unasked_commits
            if len(self._kept) > KEPT_MAX:
                del self._kept[next(iter(self._kept))]

    def to_carry(self) -> Iterator[tuple[QueueQuery, FilterCounts, int]]:
        """The queries to carry over the commit that follows, with how many they have then been carried over without
        being asked."""
        with self._lock:
            newest = list(self._kept.items())[-CARRIED_MAX:]
        for query, (counts, unasked_commits) in newest:
            if unasked_commits < UNASKED_COMMITS_MAX:
                yield query, counts, unasked_commits + 1


def counts_of(entries: Iterable[CaseEntry], query: QueueQuery) -> FilterCounts:
    """The counts over cases in memory: of each filter, those that pass all others."""
    tests = query.tests()
    failed = [(entry, {name for name, passes in tests if not passes(entry)}) for entry in entries]
    return {dimension: _counted(failed, dimension) for dimension in DIMENSIONS}


def plus(first: FilterCounts, second: FilterCounts) -> FilterCounts:
    """Both counts together, of different cases."""
    return {dimension: first[dimension] + second[dimension] for dimension in DIMENSIONS}


def minus(first: FilterCounts, second: FilterCounts) -> FilterCounts:
    """The counts without those of some of the cases."""
    return {dimension: first[dimension] - second[dimension] for dimension in DIMENSIONS}


def _counted(failed: Sequence[tuple[CaseEntry, set[str]]], dimension: Dimension) -> Counter[str]:
    counted: Counter[str] = Counter()
    for entry, names in failed:
        if names <= {dimension}:
            counted.update(_values(entry.row, dimension))
    return counted


def _values(row: CaseRow, dimension: Dimension) -> tuple[str, ...]:
    match dimension:
        case "status":
            return (row.state,)
        case "severity":
            return (row.severity,)
        case "typology":
            return row.typologies
        case "assignee":
            return (row.assignee or NOBODY,)
        case "queue":
            return () if row.queue is None else (row.queue,)
        case "tag":
            return row.tags
