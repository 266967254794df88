"""Erasing an account: from every table, once, with a record that does not name it."""

from __future__ import annotations

from pathlib import Path

from fraudstream.history.check import faults
from fraudstream.history.erasure import REQUESTS, digest_of, erase, erase_requested, new_request, put_request
from fraudstream.history.reader import HistoryReader
from fraudstream.history.store import HistoryStore
from tests.unit.history.filled_store import add
from tests.unit.history.log_records import DAY, T0, decision, label, payment


def filled(store: HistoryStore) -> None:
    add(
        store,
        [
            payment(0, "acct-1", device_id="d"),
            payment(1, "acct-2", device_id="d", counterparty_id="acct-1"),
            payment(2, "acct-1", at_ms=T0 + DAY),
            label(3, "p-0", "acct-1", payment_occurred_at=T0),
        ],
        [decision(0, "p-0", "acct-1"), decision(1, "p-1", "acct-2")],
    )


def test_an_erased_account_is_in_no_file(tmp_path: Path) -> None:
    with HistoryStore(tmp_path) as store:
        filled(store)
        erasure = erase(store, new_request("acct-1", "ann"), 1_000)
        assert erasure.rows == {"payments": 2, "decisions": 1, "labels": 1, "links": 1}
        assert (erasure.account_digest, erasure.actor, erasure.erased_at_ms) == (digest_of("acct-1"), "ann", 1_000)
        assert {file.table: file.rows for file in store.manifest.files} == {"payments": 1, "decisions": 1, "links": 2}
    assert faults(tmp_path) == []
    for path in tmp_path.rglob("*.parquet"):
        if path.parent.parent.name != "payments" and path.parent.parent.name != "links":
            assert b"acct-1" not in path.read_bytes(), path
    reader = HistoryReader(tmp_path)
    assert reader.payments("account", "acct-1", since_ms=0, rows=9) == []
    (kept,) = reader.payments("counterparty", "acct-1", since_ms=0, rows=9)  # another account's own payment
    assert kept.account_id == "acct-2"
    reader.close()


def test_a_request_is_carried_out_once(tmp_path: Path) -> None:
    with HistoryStore(tmp_path) as store:
        filled(store)
        request = new_request("acct-1", "ann")
        path = put_request(tmp_path, request)
        assert "acct-1" not in path.name
        (done,) = erase_requested(store, 1_000)
        assert done.request_id == request.request_id
        assert not list((tmp_path / REQUESTS).iterdir())
        assert erase(store, request, 2_000) == done
        assert store.manifest.erasures == (done,)


def test_an_account_without_rows_is_recorded_too(tmp_path: Path) -> None:
    with HistoryStore(tmp_path) as store:
        filled(store)
        files = store.manifest.files
        assert erase(store, new_request("nobody", "ann"), 1_000).rows == {}
        assert store.manifest.files == files
        assert len(store.manifest.erasures) == 1
