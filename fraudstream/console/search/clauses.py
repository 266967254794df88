"""What the index is asked for a query of the queue: a clause for each filter that is set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tantivy import FieldType, Occur, Query, Schema

from fraudstream.console.access.teams import Team
from fraudstream.console.queue_order import places_opened, places_updated
from fraudstream.console.queue_query import ACTIVE, Day, Dimension, QueueQuery
from fraudstream.console.search.entry import SearchedPart, searched_text

_EQUAL: Final = (
    "severity",
    "typology",
    "assignee",
    "queue",
    "tag",
    "disposition",
    "level",
    "channel",
    "partner",
    "rule",
)


class QueueClauses:
    """Makes clauses for an index with this schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def of(self, query: QueueQuery, but: Dimension | None = None) -> list[tuple[Occur, Query]]:
        """What matches `query` but for one of its filters. The position's document has no place and no counted value,
        so it is not counted, and `_hits` leaves it out."""
        clauses = [(Occur.Must, clause) for name, clause in self.by_filter(query).items() if name != but]
        return clauses or [(Occur.Must, Query.all_query())]

    def by_filter(self, query: QueueQuery) -> dict[str, Query]:
        """The filters that are set, by their names in `QueueQuery.tests`."""
        filters: dict[str, Query] = {}
        if query.status == "active":
            filters["status"] = self.one_of("state", ACTIVE)
        elif query.status != "all":
            filters["status"] = self.term("state", query.status)
        for name in _EQUAL:
            if (value := getattr(query, name)) is not None:
                filters[name] = self.term(name, value)
        if query.opened_from or query.opened_to:
            filters["opened"] = self.between("oldest", *places_opened(*_ends(query.opened_from, query.opened_to)))
        if query.updated_from or query.updated_to:
            filters["updated"] = self.between("newest", *places_updated(*_ends(query.updated_from, query.updated_to)))
        if query.text:
            parts = [(Occur.Must, self._part(part, query.account_parts)) for part in searched_text(query.text)]
            filters["text"] = Query.boolean_query(parts)
        if query.team is not None:
            filters["team"] = self._of_team(query.team)
        return filters

    def _part(self, part: SearchedPart, account_parts: bool) -> Query:
        """As `CaseEntry.has`."""
        found = [self._id("case_id", part), self._id("ids", part)]
        found.append(self._id("account_id", part) if account_parts else self.term("account_id", part.text))
        if part.words:
            for field in ("words", *(("account_words",) if account_parts else ())):
                words = [(Occur.Must, self.term(field, word)) for word in sorted(part.words)]
                found.append(Query.boolean_query(words))
        return self._any(*found)

    def _id(self, field: str, part: SearchedPart) -> Query:
        if part.is_prefix:
            return Query.fuzzy_term_query(self._schema, field, part.text, distance=0, prefix=True)
        return self.term(field, part.text)

    def _of_team(self, team: Team) -> Query:
        """As `Team.sees`."""
        work = [
            *(self.term("queue", queue) for queue in team.queues),
            *(self.term("typology", typology) for typology in team.typologies),
        ]
        partners = [self.term("partner", partner) for partner in team.partners]
        required = [self._any(*each) for each in (work, partners) if each]
        if not required:
            return Query.empty_query()
        return Query.boolean_query([(Occur.Must, each) for each in required])

    def _any(self, *queries: Query) -> Query:
        if not queries:
            return Query.empty_query()
        return Query.boolean_query([(Occur.Should, query) for query in queries])

    def term(self, field: str, value: str) -> Query:
        """What has this value of a field."""
        return Query.term_query(self._schema, field, value, "basic")

    def one_of(self, field: str, values: Iterable[str]) -> Query:
        """What has one of these values of a field."""
        return Query.term_set_query(self._schema, field, list(values))

    def between(self, field: str, first: int | None, last: int | None) -> Query:
        """What has a number from `first` to `last`, both included; None: without an end."""
        return Query.range_query(self._schema, field, FieldType.Integer, first, last)


def _ends(first: Day | None, last: Day | None) -> tuple[int | None, int | None]:
    return None if first is None else first.from_ms, None if last is None else last.before_ms
