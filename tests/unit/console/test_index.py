"""The index of cases: order, filters, search, counts, pages, neighbours, commits and restarts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

import pytest

from fraudstream.cases.priority import urgency
from fraudstream.console.index import CaseIndex
from fraudstream.console.queue_order import ORDERS
from fraudstream.console.queue_query import NOBODY, Day, QueueQuery, cursor_of, day_of, parsed_cursor, query_of
from fraudstream.console.search.disk_index import OLD_MS, DiskIndex, IndexInUseError, IndexWriteError
from fraudstream.contracts import Case, CaseAlert, CaseNote
from tests.unit.console.console_app import case

DAY_MS = 24 * 3600 * 1000


class IndexUnderTest:
    """`index` on a directory. `committed`: what it holds is on disk, not in memory."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.now_ms = directory, 1_772_625_600_000
        self.index = self._new()

    def _new(self, **options: bool) -> CaseIndex:
        return CaseIndex(DiskIndex(self.directory, lambda: self.now_ms, **options))

    async def holds(self, *cases: Case, committed: bool = False) -> CaseIndex:
        await self.index.on_live()
        for each in cases:
            self.index.put(each, 0)
        if committed:
            await self.index.commit()
        return self.index

    async def restart(self, **options: bool) -> CaseIndex:
        await self.index.close()
        self.index = self._new(**options)
        return self.index


@pytest.fixture
async def on_disk(tmp_path: Path) -> AsyncIterator[IndexUnderTest]:
    found = IndexUnderTest(tmp_path)
    yield found
    await found.index.close()


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


both = pytest.mark.parametrize("committed", [False, True], ids=["in memory", "on disk"])


@both
async def test_cases_that_are_not_closed_are_in_the_order_asked_for(on_disk: IndexUnderTest, committed: bool) -> None:
    index = await on_disk.holds(*MIXED, committed=committed)
    found = {order: ids(index, order=order) for order in ORDERS}
    assert found == {"urgency": "dcba", "score": "acdb", "oldest": "dcba", "newest": "abcd"}


async def test_the_order_by_urgency_is_the_views(on_disk: IndexUnderTest) -> None:
    active = [each for each in MIXED if each.status != "closed"]
    expected = "".join(each.case_id for each in sorted(active, key=urgency, reverse=True))
    assert ids(await on_disk.holds(*MIXED)) == expected


FILTERED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"status": "new"}, "dca"),
    ({"status": "in_review"}, "b"),
    ({"status": "closed"}, "e"),
    ({"status": "all", "order": "oldest"}, "edcba"),
    ({"severity": "low"}, "a"),
    ({"typology": "mule"}, "c"),
    ({"assignee": "ann"}, "b"),
    ({"assignee": NOBODY}, "dca"),
    ({"disposition": "false_positive", "status": "all"}, "e"),
    ({"opened_from": Day("", 2_000, 0), "opened_to": Day("", 0, 4_000)}, "dc"),
    ({"updated_from": Day("", 8_000, 0)}, "ba"),
    ({"updated_to": Day("", 0, 8_000)}, "dc"),
    ({"text": "77"}, "d"),
    ({"text": "fan mule"}, "c"),
    ({"text": "mule/fan_out"}, "c"),
    ({"text": "mule takeover"}, ""),
    ({"text": "..."}, ""),
)


@both
async def test_tags_and_merged_accounts_find_a_case(on_disk: IndexUnderTest, committed: bool) -> None:
    index = await on_disk.holds(
        case("a", tags=("ring", "vip"), other_accounts=("acc-88", "acc-99")),
        case("b", tags=("ring",), account_id="acc-99"),
        case("c"),
        committed=committed,
    )
    assert [ids(index, tag=tag) for tag in ("ring", "vip", "rin")] == ["ab", "a", ""]
    assert index.page(QueueQuery(tag="vip"), None, 9).counts["tag"] == {"ring": 2, "vip": 1}
    assert [sorted(row.case_id for row in index.of_account(each)) for each in ("acc-88", "acc-99")] == [
        ["a"],
        ["a", "b"],
    ]
    assert [ids(index, text=text) for text in ("acc-88", "88", "acc-9", "vip")] == ["a", "a", "ab", "a"]
    assert [ids(index, text=text, account_parts=False) for text in ("acc-88", "88")] == ["a", ""]


@both
async def test_a_filter_keeps_what_matches(on_disk: IndexUnderTest, committed: bool) -> None:
    index = await on_disk.holds(*MIXED, committed=committed)
    assert [ids(index, **query) for query, _ in FILTERED] == [expected for _, expected in FILTERED]


def noted(text: str) -> Case:
    alert = CaseAlert("alert-0123", "pay-8:9", 0, "high", 0.5, "1.00", "EUR", ())
    note = CaseNote(0, "ann", "note", text)
    return case("abcdef01", "acc-Ü7", notes=(note,), alerts=(alert,), links=("fedcba98",))


FINDING = (
    "called", "CALLED customer", "customer, called", "客户", "否认", "认", "客户否认", "客户 called", "ﬁnal final",
    "abcdef01", "abcd", "acc-Ü7", "pay-8:9", "pay-8:", "fedcba98", "fed called", "acc-ü7",
)  # fmt: skip
NOT_FINDING = ("call", "customers", "认户", "户客", "bcdef", "ab", "PAY-8", "pay-8 denied")


@both
async def test_a_case_is_found_by_words_ids_and_beginnings_of_ids(on_disk: IndexUnderTest, committed: bool) -> None:
    index = await on_disk.holds(noted("Called: the customer.\n客户否认了付款 ﬁnal"), case("b"), committed=committed)
    assert {text: ids(index, text=text) for text in FINDING} == dict.fromkeys(FINDING, "abcdef01")
    assert {text: ids(index, text=text) for text in NOT_FINDING} == dict.fromkeys(NOT_FINDING, "")


@both
async def test_counts_of_a_filter_are_those_under_the_other_filters(on_disk: IndexUnderTest, committed: bool) -> None:
    page = (await on_disk.holds(*MIXED, committed=committed)).page(QueueQuery(severity="high"), None, 100)
    assert page.total == 3
    assert page.counts["status"] == {"active": 3, "new": 2, "in_review": 1, "all": 3}
    assert page.counts["severity"] == {"high": 3, "low": 1}  # of cases that are not closed
    assert page.counts["assignee"] == {"ann": 1, NOBODY: 2}
    assert page.counts["typology"] == {"takeover": 2, "mule": 1}


@both
async def test_pages_neither_repeat_nor_skip_a_case_when_others_come_between(
    on_disk: IndexUnderTest, committed: bool
) -> None:
    held = [case(f"{number:04d}", score=0.5) for number in range(0, 100, 2)]
    index = await on_disk.holds(*held, committed=committed)
    seen, after = list[str](), None
    while True:
        page = index.page(QueueQuery(), after, 7)
        seen += [row.case_id for row in page.rows]
        index.put(case(f"{len(seen):04d}x", score=0.9), 0)  # before what is shown next
        if page.next_after is None:
            break
        after = parsed_cursor(cursor_of(page.next_after))
    assert seen == [f"{number:04d}" for number in range(0, 100, 2)]


async def test_pages_of_cases_that_differ_only_in_the_end_of_their_ids_are_whole(on_disk: IndexUnderTest) -> None:
    names = [f"{'0' * 12}{number:03d}" for number in range(60)]
    index = await on_disk.holds(*map(case, reversed(names)), committed=True)
    seen, after = list[str](), None
    while True:
        page = index.page(QueueQuery(), after, 7)
        seen += [row.case_id for row in page.rows]
        if (after := page.next_after) is None:
            break
    assert seen == names
    row = index.row(names[30])
    assert row is not None
    before, behind = index.neighbours(row, QueueQuery())
    assert (before and before.case_id, behind and behind.case_id) == (names[29], names[31])


@both
async def test_an_older_version_changes_nothing(on_disk: IndexUnderTest, committed: bool) -> None:
    held = case("a", version=3, status="in_review", assignee="ann")
    index = await on_disk.holds(held, committed=committed)
    assert not index.put(case("a", version=2), 0)
    assert not index.put(case("a", version=3), 0)
    assert ids(index, status="in_review") == "a"
    assert index.put(case("a", version=4), 0)
    assert ids(index, status="in_review") == ""
    assert ids(index, status="new") == "a"


@both
async def test_a_deleted_case_is_no_longer_found(on_disk: IndexUnderTest, committed: bool) -> None:
    index = await on_disk.holds(case("a"), case("b"), committed=committed)
    assert index.remove("a")
    assert not index.remove("a")
    assert (ids(index, status="all"), index.row("a")) == ("b", None)
    await index.commit()
    assert (ids(index, status="all"), index.row("a")) == ("b", None)
    assert index.page(QueueQuery(), None, 9).total == 1


@both
async def test_the_cases_of_an_account_are_newest_first(on_disk: IndexUnderTest, committed: bool) -> None:
    held = case("a", opened_at_ms=1), case("b", opened_at_ms=2), case("c", account_id="other")
    index = await on_disk.holds(*held, committed=committed)
    assert [row.case_id for row in index.of_account("acc-1")] == ["b", "a"]


@both
async def test_neighbours_of_a_case_that_no_longer_matches_are_those_around_its_place(
    on_disk: IndexUnderTest, committed: bool
) -> None:
    index = await on_disk.holds(*(case(name) for name in "abcd"), committed=committed)
    index.put(case("b", version=2, status="closed"), 0)
    row = index.row("b")
    assert row is not None
    before, behind = index.neighbours(row, QueueQuery())
    assert (before and before.case_id, behind and behind.case_id) == ("a", "c")


async def test_the_first_case_has_no_previous_one(on_disk: IndexUnderTest) -> None:
    index = await on_disk.holds(case("a"))
    row = index.row("a")
    assert row is not None
    assert index.neighbours(row, QueueQuery()) == (None, None)


async def test_a_restart_reads_on_where_the_last_commit_was(on_disk: IndexUnderTest) -> None:
    index = await on_disk.holds()
    await index.follow("topic-1")
    index.put(case("a"), 0)
    index.on_read(0, 17)
    index = await on_disk.restart()
    await index.follow("topic-1")
    assert (dict(index.offsets), ids(index)) == ({0: 17}, "a")


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a topic is read, the writer's thread takes two cases at a time."""
    monkeypatch.setattr("fraudstream.console.search.batches.BATCH_CASES", 2)


async def read(index: CaseIndex, found: Sequence[Case | str], *, commit: bool = False) -> None:
    """Read cases and deletions from a topic that has no others, from where the index has read it to."""
    for offset in range(index.offsets.get(0, 0), len(found)):
        each = found[offset]
        if isinstance(each, str):
            index.remove(each)
        else:
            index.put(each, 0)
        index.on_read(0, offset + 1)
        await index.make_room()
    if commit:
        await index.commit()


READ: tuple[Case | str, ...] = (
    *(case(name) for name in "abcd"),
    case("b", version=2, account_id="acc-77"),
    "c",
    case("e"),
    case("a", version=2, severity="critical"),
    case("a", version=3, severity="low"),
    "d",
    case("d", version=2, account_id="acc-77"),
)


def check_read(index: CaseIndex) -> None:
    assert sorted(ids(index, status="all")) == ["a", "b", "d", "e"]
    assert sorted(ids(index, status="all", text="acc-77")) == ["b", "d"]
    assert ids(index, severity="low") == "a"
    assert [index.page(QueueQuery(status=status), None, 9).total for status in ("all", "active")] == [4, 4]
    assert index.row("c") is None


@pytest.mark.usefixtures("small_batches")
async def test_while_the_topic_is_read_each_commit_has_what_was_read_till_then(on_disk: IndexUnderTest) -> None:
    index = on_disk.index
    await read(index, READ[:3])
    assert ids(index) == ""
    await index.commit()
    assert sorted(ids(index)) == ["a", "b", "c"]
    await read(index, READ)
    await index.on_live()
    check_read(index)


@pytest.mark.usefixtures("small_batches")
async def test_a_console_that_is_stopped_while_it_reads_the_topic_goes_on_from_there(on_disk: IndexUnderTest) -> None:
    await on_disk.index.follow("topic-1")
    await read(on_disk.index, READ[:5])
    index = await on_disk.restart()
    await index.follow("topic-1")
    assert dict(index.offsets) == {0: 5}
    await read(index, READ)
    await index.on_live()
    check_read(index)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("committed", [0, 3], ids=["from the start", "from the last commit"])
async def test_a_batch_that_cannot_be_written_is_read_again(
    on_disk: IndexUnderTest, monkeypatch: pytest.MonkeyPatch, committed: int
) -> None:
    index = on_disk.index
    await read(index, READ[:committed], commit=True)
    with monkeypatch.context() as patch:
        patch.setattr("fraudstream.console.search.seen_ids.SeenIds.see", fail)
        with pytest.raises(IndexWriteError, match="No space left"):
            await read(index, READ[:9], commit=True)
    for _ in range(2):  # nor does a later commit leave out what was lost
        with pytest.raises(IndexWriteError, match="No space left"):
            await index.commit()
    await index.rewind()
    assert index.offsets.get(0, 0) == committed
    await read(index, READ)
    await index.on_live()
    check_read(index)
    assert sorted(ids(await on_disk.restart(), status="all")) == ["a", "b", "d", "e"]


async def change_topic(on_disk: IndexUnderTest) -> None:
    await (await on_disk.restart()).follow("topic-2")


async def ask_for_a_rebuild(on_disk: IndexUnderTest) -> None:
    await on_disk.restart(rebuild=True)


async def wait_for_long(on_disk: IndexUnderTest) -> None:
    on_disk.now_ms += OLD_MS
    await on_disk.index.close()
    on_disk.now_ms += OLD_MS + 1
    on_disk.index = CaseIndex(DiskIndex(on_disk.directory, lambda: on_disk.now_ms))


async def change_the_format(on_disk: IndexUnderTest) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fraudstream.console.search.disk_index.FORMAT", "another")
        await on_disk.index.close()
    on_disk.index = CaseIndex(DiskIndex(on_disk.directory, lambda: on_disk.now_ms))


def damage(name: str, content: bytes) -> Callable[[IndexUnderTest], Awaitable[None]]:
    async def change(on_disk: IndexUnderTest) -> None:
        await on_disk.index.close()
        for path in (on_disk.directory / "case-index").glob(name):
            path.write_bytes(content)
        on_disk.index = CaseIndex(DiskIndex(on_disk.directory, lambda: on_disk.now_ms))

    return change


@pytest.mark.parametrize(
    ("change", "logged"),
    [
        (change_topic, "the topic of cases has been made anew"),
        (ask_for_a_rebuild, ""),
        (wait_for_long, "it was last written more than 12 hours ago"),
        (change_the_format, "another build has written it"),
        (damage("meta.json", b"{"), "it is damaged"),
        (damage("*.store", b""), "it is damaged"),
        (damage("*.fast", b"\0" * 200), "it is damaged"),
        (damage("*.term", b"x" * 999), "it is damaged"),
    ],
)
async def test_an_index_that_cannot_be_used_is_built_anew_and_says_why(
    on_disk: IndexUnderTest,
    change: Callable[[IndexUnderTest], Awaitable[None]],
    logged: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    index = await on_disk.holds(case("a"))
    await index.follow("topic-1")
    index.on_read(0, 17)
    await index.commit()
    with caplog.at_level(logging.WARNING):
        await change(on_disk)
    assert (dict(on_disk.index.offsets), ids(on_disk.index)) == ({}, "")
    assert logged in caplog.text
    assert ids(await on_disk.holds(case("b"), committed=True)) == "b"


async def test_two_processes_do_not_write_one_index(on_disk: IndexUnderTest) -> None:
    with pytest.raises(IndexInUseError, match="another console writes the index in"):
        DiskIndex(on_disk.directory, lambda: 0)


async def test_a_commit_that_fails_loses_nothing(on_disk: IndexUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    index = await on_disk.holds(case("a"), committed=True)
    index.put(case("b"), 0)
    with monkeypatch.context() as patch:
        patch.setattr("fraudstream.console.search.disk_index.position_document", fail)
        with pytest.raises(OSError, match="No space left"):
            await index.commit()
    index.put(case("c"), 0)
    assert ids(index) == "abc"
    await index.commit()
    assert ids(index) == "abc"
    assert ids(await on_disk.restart()) == "abc"


def fail(*_: Any) -> None:
    raise OSError("No space left on device")


def test_a_query_and_its_url_are_the_same() -> None:
    days = [day_of(f"2026-03-0{day}", ZoneInfo("UTC")) for day in range(1, 5)]
    query = QueueQuery("all", "high", "mule", "ann & bob", "q", "acc-7 ü", "score", "inconclusive")
    query = query._replace(opened_from=days[0], opened_to=days[1], updated_from=days[2], updated_to=days[3])
    parameters = dict(pair.split("=") for pair in query.parameters()[1:].split("&"))
    assert query_of({name: unquote_plus(value) for name, value in parameters.items()}) == query
    assert QueueQuery().parameters() == ""


def test_unknown_values_of_a_url_are_left_out() -> None:
    assert query_of({"status": "x", "severity": "x", "order": "x"}) == QueueQuery()
    for text in ("", "x", "1", "~a", "nan~a~", "é~a", None):
        cursor = parsed_cursor(text)
        assert cursor is None or isinstance(cursor[0], int | float)


async def test_those_who_ask_for_one_page_at_the_same_time_share_it(on_disk: IndexUnderTest) -> None:
    index = await on_disk.holds(*MIXED)
    first, second = await asyncio.gather(*(index.shared_page(QueueQuery(), None, 9) for _ in range(2)))
    assert first is second
    assert first == index.page(QueueQuery(), None, 9)


async def test_a_shared_page_has_every_change_up_to_the_question(on_disk: IndexUnderTest) -> None:
    index = await on_disk.holds(case("a"))
    before = asyncio.create_task(index.shared_page(QueueQuery(), None, 9))
    await asyncio.sleep(0)  # it has been asked
    index.put(case("b"), 0)
    assert (await index.shared_page(QueueQuery(), None, 9)).total == 2
    assert (await before).total in (1, 2)


async def test_who_no_longer_waits_for_a_page_does_not_end_it_for_the_others(on_disk: IndexUnderTest) -> None:
    index = await on_disk.holds(*MIXED)
    gone, waits = (asyncio.create_task(index.shared_page(QueueQuery(), None, 9)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await waits).total == 4
