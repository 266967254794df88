"""The queue in memory: order, filters, counts, pages, neighbours."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

import pytest

from fraudstream.cases.priority import urgency
from fraudstream.console.case_row import row_of
from fraudstream.console.index import CaseIndex
from fraudstream.console.queue_query import NOBODY, QueueQuery, cursor_of, parsed_cursor, query_of
from tests.unit.console.console_app import case


def index_of(*cases: Any, closed_kept_max: int = 100) -> CaseIndex:
    index = CaseIndex(closed_kept_max)
    for each in cases:
        index.put(row_of(each, 0))
    return index


def ids(index: CaseIndex, limit: int = 100, after: Any = None, **query: Any) -> str:
    return "".join(row.case_id for row in index.page(QueueQuery(**query), after, limit).rows)


MIXED = (
    case("a", severity="low", score=0.9, opened_at_ms=5_000, updated_at_ms=9_000),
    case("b", severity="high", score=0.1, opened_at_ms=4_000, updated_at_ms=8_000, status="in_review", assignee="ann"),
    case("c", severity="high", score=0.5, opened_at_ms=3_000, updated_at_ms=7_000, rules=("mule/fan_out", "mule/fast")),
    case("d", severity="high", score=0.5, opened_at_ms=2_000, updated_at_ms=6_000, account_id="acc-77"),
    case(
        "e",
        severity="low",
        score=0.2,
        opened_at_ms=1_000,
        updated_at_ms=5_000,
        status="closed",
        disposition="false_positive",
    ),
)


@pytest.mark.parametrize(
    ("order", "expected"), [("urgency", "dcba"), ("score", "acdb"), ("oldest", "dcba"), ("newest", "abcd")]
)
def test_cases_that_are_not_closed_are_in_the_order_asked_for(order: str, expected: str) -> None:
    assert ids(index_of(*MIXED), order=order) == expected


def test_the_order_by_urgency_is_the_views() -> None:
    active = [each for each in MIXED if each.status != "closed"]
    expected = "".join(each.case_id for each in sorted(active, key=urgency, reverse=True))
    assert ids(index_of(*MIXED)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "new"}, "dca"),
        ({"status": "in_review"}, "b"),
        ({"status": "closed"}, "e"),
        ({"status": "all", "order": "oldest"}, "edcba"),
        ({"severity": "low"}, "a"),
        ({"typology": "mule"}, "c"),
        ({"assignee": "ann"}, "b"),
        ({"assignee": NOBODY}, "dca"),
        ({"text": "77"}, "d"),
        ({"text": "c"}, "dcba"),  # `acc-…` holds it, too
        ({"text": "nothing"}, ""),
    ],
)
def test_a_filter_keeps_what_matches(query: Any, expected: str) -> None:
    page = index_of(*MIXED).page(QueueQuery(**query), None, 100)
    assert "".join(row.case_id for row in page.rows) == expected


def test_counts_of_a_filter_are_those_under_the_other_filters() -> None:
    page = index_of(*MIXED).page(QueueQuery(severity="high"), None, 100)
    assert page.total == 3
    assert page.counts["status"] == {"active": 3, "new": 2, "in_review": 1, "all": 3}
    assert page.counts["severity"] == {"high": 3, "low": 1}  # of cases that are not closed
    assert page.counts["assignee"] == {"ann": 1, NOBODY: 2}
    assert page.counts["typology"] == {"takeover": 2, "mule": 1}


def test_pages_neither_repeat_nor_skip_a_case_when_others_come_between() -> None:
    index = index_of(*(case(f"{number:04d}", score=0.5) for number in range(0, 100, 2)))
    seen, after = [], None
    while True:
        page = index.page(QueueQuery(), after, 7)
        seen += [row.case_id for row in page.rows]
        index.put(row_of(case(f"{len(seen):04d}x", score=0.9), 0))  # before what is shown next
        if page.next_after is None:
            break
        after = parsed_cursor(cursor_of(page.next_after))
    assert seen == [f"{number:04d}" for number in range(0, 100, 2)]


def test_an_older_version_changes_nothing() -> None:
    index = index_of(case("a", version=3, status="in_review", assignee="ann"))
    assert not index.put(row_of(case("a", version=2), 0))
    assert not index.put(row_of(case("a", version=3), 0))
    assert ids(index, status="in_review") == "a"
    assert index.put(row_of(case("a", version=4), 0))
    assert ids(index, status="in_review") == ""


def test_of_closed_cases_the_last_to_change_are_kept() -> None:
    closed = [case(name, status="closed", account_id=f"acc-{name}") for name in "abc"]
    index = index_of(*closed, case("d"), closed_kept_max=2)
    assert ids(index, status="closed") == "bc"
    assert index.of_account("acc-a") == []
    index.put(row_of(case("b", version=2, account_id="acc-b"), 0))  # reopened
    assert ids(index, status="closed") == "c"
    assert ids(index) == "bd"


def test_the_cases_of_an_account_are_newest_first() -> None:
    index = index_of(case("a", opened_at_ms=1), case("b", opened_at_ms=2), case("c", account_id="other"))
    assert [row.case_id for row in index.of_account("acc-1")] == ["b", "a"]


def test_neighbours_of_a_case_that_no_longer_matches_are_those_around_its_place() -> None:
    index = index_of(*(case(name) for name in "abcd"))
    index.put(row_of(case("b", version=2, status="closed"), 0))
    row = index.row("b")
    assert row is not None
    before, behind = index.neighbours(row, QueueQuery())
    assert (before and before.case_id, behind and behind.case_id) == ("a", "c")


def test_the_first_case_has_no_previous_one() -> None:
    index = index_of(case("a"))
    row = index.row("a")
    assert row is not None
    assert index.neighbours(row, QueueQuery()) == (None, None)


def test_a_query_and_its_url_are_the_same() -> None:
    query = QueueQuery("all", "high", "mule", "ann & bob", "acc-7 ü", "score")
    parameters = dict(pair.split("=") for pair in query.parameters()[1:].split("&"))
    assert query_of({name: unquote_plus(value) for name, value in parameters.items()}) == query
    assert QueueQuery().parameters() == ""


def test_unknown_values_of_a_url_are_left_out() -> None:
    assert query_of({"status": "x", "severity": "x", "order": "x"}) == QueueQuery()
    for text in ("", "x", "1", "~a", "nan~a~", "é~a", None):
        cursor = parsed_cursor(text)
        assert cursor is None or isinstance(cursor[0], int | float)
