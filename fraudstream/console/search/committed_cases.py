"""The cases that have been committed to the index on disk, as of one commit.

Every question takes `without`: ids of cases that have changed since and are to be left out. Methods may be called in
any thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from tantivy import Occur, Order, Query, Schema, Searcher

from fraudstream.console.case_row import CaseRow
from fraudstream.console.queue_order import ORDERS, PLACE_MAX, SortKey
from fraudstream.console.queue_query import DIMENSIONS, Dimension, QueueQuery
from fraudstream.console.search.clauses import QueueClauses
from fraudstream.console.search.entry import CaseEntry
from fraudstream.console.search.filter_counts import (
    CHANGES_CARRIED_MAX,
    FilterCounts,
    KeptCounts,
    counts_of,
    minus,
    plus,
)
from fraudstream.console.search.schema import BETWEEN_VALUES, LOG_POSITION, LogPosition, position_in, row_in

OF_ACCOUNT_MAX: Final = 200
_SPARE: Final = 8  # hits beyond those wanted: rows may have the place of the last one
_VALUES_MAX: Final = 10_000  # of a filter
_SPAN_CHANGE_MAX: Final = 1.1  # of the number of cases, until a span is looked up again
_COUNTED_IN: Final[Mapping[Dimension, str]] = {
    "status": "state",
    "severity": "severity",
    "typology": "typologies",
    "assignee": "assignee",
    "queue": "queue",
    "tag": "tags",
}
_SEVERAL_VALUES: Final[tuple[Dimension, ...]] = ("typology", "tag")

Direction = Literal["after", "before"]


class _Span(NamedTuple):
    """From the first place of an order to the last one, when there were `case_count` cases. One that has since changed
    a little says as well where to look first."""

    width: int
    case_count: int


class CommittedCases:
    """The committed cases of an index."""

    def __init__(self, searcher: Searcher, schema: Schema) -> None:
        self._searcher = searcher
        self._clauses = QueueClauses(schema)
        self._counts_kept = KeptCounts()  # of one commit they do not change
        self._spans: dict[str, _Span] = {}  # by order

    @property
    def case_count(self) -> int:
        """How many cases there are."""
        return int(self._searcher.num_docs - len(self._documents(self._clauses.term("kind", LOG_POSITION), 1)))

    def position(self) -> LogPosition | None:
        """Up to where the topic has been read; None for a new index. Raises `msgspec.MsgspecError`."""
        found = self._documents(self._clauses.term("kind", LOG_POSITION), 1)
        return position_in(found[0]) if found else None

    def check(self) -> None:
        """Read something of every file. Raises `ValueError` or panics if one is damaged."""
        everything = Query.all_query()
        self._searcher.aggregate(everything, {field: {"terms": {"field": field}} for field in _COUNTED_IN.values()})
        for order in ORDERS:
            for _, address in self._searcher.search(everything, 1, False, order).hits:
                self._searcher.doc(address)
        self._documents(self._clauses.term("words", ""), 1)
        self._documents(self._clauses.term("case_id", ""), 1)
        self._documents(self._clauses.term("ids", ""), 1)

    def row(self, case_id: str) -> CaseRow | None:
        """The row of a case."""
        found = self._documents(self._clauses.term("case_id", case_id), 1)
        return row_in(found[0]) if found else None

    def of_account(self, account_id: str) -> list[CaseRow]:
        """The rows of an account's newest `OF_ACCOUNT_MAX` cases, the newest first."""
        query = self._clauses.term("account_id", account_id)
        found = self._searcher.search(query, OF_ACCOUNT_MAX, False, "oldest", order=Order.Desc)
        return [row_in(self._searcher.doc(address)) for _, address in found.hits]

    def rows(
        self, query: QueueQuery, without: Collection[str], bound: SortKey | None, direction: Direction, limit: int
    ) -> list[tuple[SortKey, CaseRow]]:
        """The `limit` rows of a query that are nearest to `bound` on one side, the nearest first; from the beginning of
        the order if it is None."""
        filters = self._clauses.of(query)
        if bound is None:
            return self._nearest(filters, query, without, bound, direction, limit)[:limit]
        found: list[tuple[SortKey, CaseRow]] = []
        # Most often the nearest rows are close, and a query of a short range is quick in an index of any size.
        for width in (*self._widths(query.order, limit), PLACE_MAX):
            ends = (bound[0], bound[0] + width) if direction == "after" else (bound[0] - width, bound[0])
            range_ = self._clauses.between(query.order, max(ends[0], 0), min(ends[1], PLACE_MAX))
            found = self._nearest([*filters, (Occur.Must, range_)], query, without, bound, direction, limit)
            if len(found) >= limit:
                break
        return found[:limit]

    def counts(self, query: QueueQuery, without: Collection[str]) -> FilterCounts:
        """By filter, how many cases each of its values would match, the other filters being as they are. Of the status,
        the states as the rows have them."""
        asked = query._replace(order="urgency")
        counts = self._counts_kept.asked(asked)
        if counts is None:
            counts = self._counts_of(asked, [])
            self._counts_kept.keep(asked, counts)
        return self._without(asked, counts, without)

    def carry(self, before: CommittedCases, changes: Mapping[str, CaseEntry | None]) -> None:
        """Take over what the commit `before` has kept; `changes` are what has been committed since. Counts are equal to
        those made anew."""
        self._spans = dict(before._spans)
        if len(changes) > CHANGES_CARRIED_MAX:
            return
        entries = [entry for entry in changes.values() if entry is not None]
        for query, counts, unasked_commits in before._counts_kept.to_carry():
            unchanged = before._without(query, counts, changes.keys())
            self._counts_kept.keep(query, plus(unchanged, counts_of(entries, query)), unasked_commits)

    def aggregations(self, query: QueueQuery, without: Collection[str], asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """The index's aggregations over the cases that match a query."""
        clauses = self._clauses.of(query)
        if not self._clauses.by_filter(query):  # every filter leaves out the position's document
            clauses.append((Occur.MustNot, self._clauses.term("kind", LOG_POSITION)))
        if without:
            clauses.append((Occur.MustNot, self._clauses.one_of("case_id", without)))
        answer: Mapping[str, Any] = self._searcher.aggregate(Query.boolean_query(clauses), dict(asked))
        return answer

    def _without(self, query: QueueQuery, counts: FilterCounts, case_ids: Collection[str]) -> FilterCounts:
        """The counts of a query less those of some cases."""
        if not case_ids:
            return counts
        changed = Query.boolean_query([(Occur.Should, self._clauses.term("case_id", case_id)) for case_id in case_ids])
        return minus(counts, self._counts_of(query, [(Occur.Must, changed)]))

    def _counts_of(self, query: QueueQuery, also: list[tuple[Occur, Query]]) -> FilterCounts:
        filters = self._clauses.by_filter(query)
        together = [dimension for dimension in DIMENSIONS if dimension not in filters]
        counts = self._counts(self._clauses.of(query) + also, together) if together else {}
        for dimension in DIMENSIONS:
            if dimension in filters:
                counts |= self._counts(self._clauses.of(query, but=dimension) + also, [dimension])
        return counts

    def _widths(self, order: str, limit: int) -> Iterator[int]:
        """Widths of ranges of places to look for `limit` rows in, the shortest first."""
        count = max(self._searcher.num_docs, 1)
        span = self._spans.get(order)
        if span is None or not 1 / _SPAN_CHANGE_MAX <= count / span.case_count <= _SPAN_CHANGE_MAX:
            ends = self._searcher.aggregate(Query.all_query(), {end: {end: {"field": order}} for end in ("min", "max")})
            low, high = (ends[end]["value"] or 0 for end in ("min", "max"))
            span = self._spans[order] = _Span(int(high - low), count)
        width = (span.width * (limit + _SPARE) * 4) // count + 1
        yield width
        yield width * 64

    def _nearest(
        self,
        clauses: list[tuple[Occur, Query]],
        query: QueueQuery,
        without: Collection[str],
        bound: SortKey | None,
        direction: Direction,
        limit: int,
    ) -> list[tuple[SortKey, CaseRow]]:
        """At least `limit` rows, if there are as many."""
        wanted = limit + _SPARE
        while True:
            found = list(self._hits(Query.boolean_query(clauses), query, direction, wanted))
            # Further rows may have the place of the last hit, so its order among them is not known yet.
            known = found if len(found) < wanted else [hit for hit in found if hit[0][0] != found[-1][0][0]]
            known = [hit for hit in known if hit[0][1] not in without]
            known.sort(key=lambda hit: hit[0], reverse=direction == "before")
            if bound is not None:
                known = [hit for hit in known if (hit[0] > bound if direction == "after" else hit[0] < bound)]
            if len(found) < wanted or len(known) >= limit:
                return known
            wanted *= 4

    def _hits(
        self, query: Query, asked: QueueQuery, direction: Direction, limit: int
    ) -> Iterator[tuple[SortKey, CaseRow]]:
        order = Order.Asc if direction == "after" else Order.Desc
        # One more: the position's document, which has no place, may be among them.
        for place, address in self._searcher.search(query, limit + 1, False, asked.order, order=order).hits:
            if place is None:
                continue
            row = row_in(self._searcher.doc(address))
            yield (place, row.case_id), row

    def _counts(self, clauses: list[tuple[Occur, Query]], dimensions: list[Dimension]) -> FilterCounts:
        asked = {each: {"terms": {"field": _COUNTED_IN[each], "size": _VALUES_MAX}} for each in dimensions}
        answer: Mapping[str, Any] = self._searcher.aggregate(Query.boolean_query(clauses), asked)
        counts: FilterCounts = {}
        for dimension in dimensions:
            counted: Counter[str] = Counter()
            for bucket in answer[dimension]["buckets"]:
                values = bucket["key"].split(BETWEEN_VALUES) if dimension in _SEVERAL_VALUES else [bucket["key"]]
                for value in filter(None, values):
                    counted[value] += bucket["doc_count"]
            counts[dimension] = counted
        return counts

    def _documents(self, query: Query, limit: int) -> list[Any]:
        return [self._searcher.doc(address) for _, address in self._searcher.search(query, limit, False).hits]
