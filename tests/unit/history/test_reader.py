"""Questions to the store, answered as a plain count of the records would."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fraudstream.history.answers import DaySummary, Link, LinkedAccount, Total, summary_of
from fraudstream.history.database import HistoryTimeoutError
from fraudstream.history.errors import HistoryError
from fraudstream.history.reader import HistoryReader
from fraudstream.history.store import HistoryStore
from tests.unit.history.filled_store import add, fill
from tests.unit.history.log_records import DAY, T0, decision, label, payment

SLOW = "SELECT count(*) FROM range(100000000) a, range(1000) b WHERE (a.range + b.range) % 7 = 3"  # for minutes


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[HistoryReader]:
    reader = HistoryReader(tmp_path)
    yield reader
    reader.close()


def test_a_payment_comes_with_its_first_decision_and_its_newest_label(tmp_path: Path, reader: HistoryReader) -> None:
    fill(
        tmp_path,
        [
            payment(0, device_id="dev-1", lat=52.5, lon=13.4),
            payment(1, event_id="p-0", amount="99"),  # published again, altered
            label(2, "p-0", at_ms=T0 + 2 * DAY),
            label(3, "p-0", at_ms=T0 + DAY, label="genuine"),
            payment(4, "acct-2"),
        ],
        [
            decision(0, "p-0", outcome="review", score=0.6, rules=["a/b"], alert_id="f" * 32),
            decision(1, "p-0", outcome="allow", repeat=True),
        ],
    )
    (found,) = reader.payments("account", "acct-1", since_ms=0, rows=10)
    assert (found.event_id, found.amount_minor, found.currency) == ("p-0", 1250, "EUR")
    assert (found.outcome, found.score, found.rules, found.alert_id) == ("review", 0.6, ("a/b",), "f" * 32)
    assert found.label == "fraud"
    assert (found.text("device_id"), found.place, found.text("ip")) == ("dev-1", (52.5, 13.4), None)
    (other,) = reader.payments("account", "acct-2", since_ms=0, rows=10)
    assert (other.outcome, other.rules, other.label) == (None, (), None)


def test_pages_join_without_a_gap_or_a_repeat(tmp_path: Path, reader: HistoryReader) -> None:
    times = [T0 + (n // 3) * DAY for n in range(10)]  # three payments of each time
    fill(tmp_path, [payment(n, at_ms=at_ms, merchant_id="m-1") for n, at_ms in enumerate(times)])
    seen, before = [], None
    while page := reader.payments("merchant", "m-1", since_ms=0, rows=2, before=before):
        seen += [each.event_id for each in page]
        before = page[-1].key
    assert seen == [f"p-{n}" for n in sorted(range(10), key=lambda n: (times[n], f"p-{n}"), reverse=True)]


def test_payments_before_the_time_in_question_are_left_out(tmp_path: Path, reader: HistoryReader) -> None:
    fill(tmp_path, [payment(0, at_ms=T0), payment(1, at_ms=T0 + 1), payment(2, at_ms=T0 + DAY)])
    found = reader.payments("account", "acct-1", since_ms=T0 + 1, rows=10)
    assert [each.event_id for each in found] == ["p-2", "p-1"]
    assert reader.summary("account", "acct-1", since_ms=T0 + 1).payments == 2


def test_totals_are_exact_by_currency_and_direction(tmp_path: Path, reader: HistoryReader) -> None:
    fill(
        tmp_path,
        [
            payment(0, amount="0.10", device_id="d-1"),
            payment(1, amount="0.20", device_id="d-2", at_ms=T0 + 5),
            payment(2, direction="credit", amount="7", currency="JPY"),
            payment(3, "acct-2"),
        ],
    )
    summary = reader.summary("account", "acct-1", since_ms=0)
    assert summary.totals == (Total("EUR", "debit", 2, 30), Total("JPY", "credit", 1, 7))
    assert (summary.payments, summary.first_ms, summary.last_ms) == (3, T0, T0 + 5)
    assert (summary.distinct["device_id"], summary.distinct["ip"]) == (2, 0)


def test_links_lead_from_a_device_to_its_accounts_and_back(tmp_path: Path, reader: HistoryReader) -> None:
    with HistoryStore(tmp_path) as store:
        add(store, [payment(0, "a", device_id="d"), payment(1, "b", device_id="d", at_ms=T0 + 9)])
        add(store, [payment(2, "a", device_id="d", at_ms=T0 + DAY), payment(3, "c", device_id="e", ip="10.0.0.1")])
    assert reader.accounts("device", "d", since_ms=0, rows=10) == [
        LinkedAccount("a", 2, T0, T0 + DAY),
        LinkedAccount("b", 1, T0 + 9, T0 + 9),
    ]
    assert reader.accounts("device", "d", since_ms=0, rows=1) == [LinkedAccount("a", 2, T0, T0 + DAY)]
    assert reader.accounts("ip", "d", since_ms=0, rows=10) == []
    assert reader.links(["a", "c", "nobody"], since_ms=0) == {
        "a": [Link("device", "d", 2, 2)],
        "c": [Link("device", "e", 1, 1), Link("ip", "10.0.0.1", 1, 1)],
        "nobody": [],
    }


def test_a_day_is_summed_up_by_currency_and_outcome(tmp_path: Path, reader: HistoryReader) -> None:
    fill(
        tmp_path,
        [payment(0), payment(1, amount="2"), payment(2, at_ms=T0 + DAY), payment(3)],
        [decision(0, "p-0"), decision(1, "p-1", outcome="block", alert_id="f" * 32)],
    )
    assert sorted(reader.day(T0 // DAY), key=str) == sorted(
        [
            DaySummary("EUR", "allow", 1, 1250, 0),
            DaySummary("EUR", "block", 1, 200, 1),
            DaySummary("EUR", None, 1, 1250, 0),
        ],
        key=str,
    )


def test_a_store_that_is_not_there_yet_has_nothing(tmp_path: Path, reader: HistoryReader) -> None:
    assert reader.newest_ms() is None
    assert reader.payments("account", "acct-1", since_ms=0, rows=10) == []
    assert reader.summary("account", "acct-1", since_ms=0).payments == 0
    assert reader.links(["acct-1"], since_ms=0) == {"acct-1": []}
    fill(tmp_path, [payment(0)])
    assert len(reader.payments("account", "acct-1", since_ms=0, rows=10)) == 1
    assert reader.newest_ms() == T0 + DAY - 1


def test_values_are_values_and_never_sql(tmp_path: Path, reader: HistoryReader) -> None:
    hostile = "x' OR '1'='1"
    fill(tmp_path, [payment(0), payment(1, hostile)])
    assert [each.event_id for each in reader.payments("account", hostile, since_ms=0, rows=10)] == ["p-1"]
    assert reader.accounts("device", hostile, since_ms=0, rows=10) == []


def test_a_reader_goes_on_when_the_writer_merges_its_files_away(tmp_path: Path, reader: HistoryReader) -> None:
    with HistoryStore(tmp_path) as store:
        for offset in range(8):
            add(store, [payment(offset)])
        stale = store.manifest
        assert len(reader.payments("account", "acct-1", since_ms=0, rows=10)) == 8
        assert store.merge()
        database = reader._database
        assert database._known is not None
        database._known = (_version(tmp_path), stale)  # the manifest that was read just before the merge
        assert len(reader.payments("account", "acct-1", since_ms=0, rows=10)) == 8


def _version(root: Path) -> tuple[int, int]:
    found = (root / "manifest.json").stat()
    return found.st_ino, found.st_mtime_ns


def test_a_question_that_takes_too_long_is_given_up(tmp_path: Path, reader: HistoryReader) -> None:
    with pytest.raises(HistoryTimeoutError, match=r"has not answered within 0\.05 s"):
        reader._database.query(SLOW, {}, range(2), 0.05)


def test_a_summary_of_payments_is_that_of_the_store(tmp_path: Path, reader: HistoryReader) -> None:
    fill(
        tmp_path,
        [
            payment(0, device_id="d-1", channel="app"),
            payment(1, device_id="d-2", channel="app", at_ms=T0 + 5),
            payment(2, direction="credit", amount="7", currency="JPY"),
        ],
    )
    found = reader.payments("account", "acct-1", since_ms=0, rows=10)
    assert summary_of(found) == reader.summary("account", "acct-1", since_ms=0)
    assert summary_of([]) == reader.summary("account", "nobody", since_ms=0)


def test_an_interrupted_reader_answers_nothing_more(tmp_path: Path, reader: HistoryReader) -> None:
    fill(tmp_path, [payment(0)])
    with ThreadPoolExecutor() as executor:
        slow = executor.submit(reader._database.query, SLOW, {}, range(2), 600.0)
        while not reader._database._running:
            time.sleep(0.01)
        reader.interrupt()
        with pytest.raises(HistoryError, match="is no longer read"):
            slow.result()
    with pytest.raises(HistoryError, match="is no longer read"):
        reader.payments("account", "acct-1", since_ms=0, rows=10)


def test_no_interrupt_is_lost_at_the_beginning_of_a_query(tmp_path: Path) -> None:
    """DuckDB forgets one that comes before the query runs: of 40 that came at once, 14 were lost."""
    for _ in range(10):
        reader = HistoryReader(tmp_path)
        with ThreadPoolExecutor() as executor:
            slow = executor.submit(reader._database.query, SLOW, {}, range(2), 600.0)
            while not reader._database._running:
                pass
            reader.interrupt()
            with pytest.raises(HistoryError, match="is no longer read"):
                slow.result()
        reader.close()
