"""Counts and sums over the cases that match a query: the question, its answer, and the answer over cases in memory.

The index answers the same question over the committed cases (`committed_tally`); both answers are added.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, NamedTuple

from fraudstream.console.case_row import CaseRow
from fraudstream.console.queue_query import NOBODY, QueueQuery
from fraudstream.console.search.entry import CaseEntry

TalliedField = Literal["queue", "assignee", "channel", "partner", "rule"]
Split = Literal["disposition", "level"]
NONE: Final = ""  # in place of a queue, a disposition or a level that a case does not have

VALUES_OF: Final[Mapping[TalliedField, Callable[[CaseRow], tuple[str, ...]]]] = {
    "queue": lambda row: (row.queue or NONE,),
    "assignee": lambda row: (row.assignee or NOBODY,),
    "channel": lambda row: row.channels,
    "partner": lambda row: row.partners,
    "rule": lambda row: row.rules,
}


class Tally(NamedTuple):
    """What is counted of the cases that match `query`, whose order means nothing. All counts are split by `split`.

    `fields`: cases by the value of each; one with several values counts for each of them. `opened_ms`: bounds of spans,
    ascending, for cases by when they were opened; `alerted_ms`: for listed alerts by the time of their payment. A span
    has its first bound and not its last.
    """

    query: QueueQuery
    split: Split
    fields: tuple[TalliedField, ...] = ()
    opened_ms: tuple[int, ...] = ()
    alerted_ms: tuple[int, ...] = ()
    amounts: bool = False


class Tallied(NamedTuple):
    """The answer. `cases`: by split. `fields`: by field, cases by value and split. `opened`: cases by number of the
    span and split; `alerted`: alerts by number of the span. `amount_minor`: by currency and split, only if asked for.
    `oldest_ms`: by queue, when its oldest case was opened, if the field is asked for."""

    cases: Counter[str]
    fields: Mapping[TalliedField, Counter[tuple[str, str]]]
    opened: Counter[tuple[int, str]]
    alerted: Counter[int]
    amount_minor: Counter[tuple[str, str]]
    oldest_ms: dict[str, int]

    def plus(self, other: Tallied) -> Tallied:
        """Both answers to one question, over different cases."""
        oldest_ms = dict(self.oldest_ms)
        for queue, at_ms in other.oldest_ms.items():
            oldest_ms[queue] = min(at_ms, oldest_ms.get(queue, at_ms))
        return Tallied(
            self.cases + other.cases,
            {field: counts + other.fields[field] for field, counts in self.fields.items()},
            self.opened + other.opened,
            self.alerted + other.alerted,
            self.amount_minor + other.amount_minor,
            oldest_ms,
        )


def no_cases(asked: Tally) -> Tallied:
    """The answer over no cases."""
    return Tallied(Counter(), {field: Counter() for field in asked.fields}, Counter(), Counter(), Counter(), {})


def tallied(entries: Iterable[CaseEntry], asked: Tally) -> Tallied:
    """The answer over cases in memory."""
    found, tests = no_cases(asked), asked.query.tests()
    for entry in entries:
        if all(passes(entry) for _, passes in tests):
            _add(found, entry, asked)
    return found


def _add(found: Tallied, entry: CaseEntry, asked: Tally) -> None:
    row = entry.row
    split = (row.result if asked.split == "disposition" else row.level) or NONE
    found.cases[split] += 1
    for field in asked.fields:
        found.fields[field].update((value, split) for value in VALUES_OF[field](row))
    if (span := _span(row.opened_at_ms, asked.opened_ms)) is not None:
        found.opened[span, split] += 1
    spans = (_span(at_ms, asked.alerted_ms) for at_ms in entry.alerted_at_ms)
    found.alerted.update(span for span in spans if span is not None)
    if asked.amounts:
        for currency, minor in entry.amount_minor.items():
            found.amount_minor[currency, split] += minor
    if "queue" in asked.fields:
        queue = row.queue or NONE
        found.oldest_ms[queue] = min(row.opened_at_ms, found.oldest_ms.get(queue, row.opened_at_ms))


def _span(at_ms: int, bounds: tuple[int, ...]) -> int | None:
    """The number of the span that has a time; None if none has it."""
    number = bisect_right(bounds, at_ms) - 1
    return number if 0 <= number < len(bounds) - 1 else None
