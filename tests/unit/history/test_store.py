"""The store: what a commit keeps, what a kill leaves, merging, retention, and its check."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fraudstream.history.check import faults
from fraudstream.history.errors import HistoryError
from fraudstream.history.files import merged, write_file
from fraudstream.history.manifest import MANIFEST, DataFile, Manifest, TopicPosition, load, save
from fraudstream.history.merging import FILES_A_TIER, ROWS_LEFT_ALONE, next_merge
from fraudstream.history.store import HistoryStore, StoreInUseError, by_day, unnamed_files
from fraudstream.history.tables import TableName
from tests.unit.history.filled_store import add, fill
from tests.unit.history.log_records import DAY, T0, decision, label, payment

TODAY = T0 // DAY
STORE = "fraudstream.history.store"


def offsets(root: Path, table: TableName = "payments") -> list[int]:
    manifest = load(root)
    assert manifest is not None
    files = [file for file in manifest.files if file.table == table]
    return sorted(offset for file in files for offset in pq.read_table(file.path(root))["source_offset"].to_pylist())


def test_rows_and_positions_are_there_after_a_commit(tmp_path: Path) -> None:
    fill(tmp_path, [payment(0), payment(1, device_id="dev-1")], [decision(0, "p-0")])
    manifest = load(tmp_path)
    assert manifest is not None
    assert manifest.topics == {"payments": TopicPosition("id-1", {0: 2})}
    assert {table: size.rows for table, size in manifest.sizes().items()} == {
        "payments": 2, "decisions": 1, "labels": 0, "links": 1
    }  # fmt: skip
    assert faults(tmp_path) == []


def test_rows_that_were_not_committed_are_not_there(tmp_path: Path) -> None:
    fill(tmp_path, [payment(0)])
    with HistoryStore(tmp_path) as store:
        store.add("payments", merged(tmp_path, list(store.manifest.files)))
    assert offsets(tmp_path) == [0]


def test_a_payment_is_in_the_directory_of_its_day_however_late_it_comes(tmp_path: Path) -> None:
    with HistoryStore(tmp_path) as store:
        add(store, [payment(0), payment(1, at_ms=T0 + DAY - 1)])
        add(store, [payment(2, at_ms=T0 + DAY), payment(3, at_ms=T0 - 3 * DAY)])
        days = {file.path(tmp_path).parent.name: file.rows for file in store.manifest.files}
    assert days == {"day=2026-03-01": 1, "day=2026-03-04": 2, "day=2026-03-05": 1}


def test_a_label_is_in_the_day_of_its_payment_if_that_is_known(tmp_path: Path) -> None:
    fill(tmp_path, [label(0, "p-1", payment_occurred_at=T0), label(1, "p-2")])
    manifest = load(tmp_path)
    assert manifest is not None
    assert [(file.day, file.rows) for file in manifest.files] == [(TODAY, 1), (TODAY + 1, 1)]


@pytest.mark.parametrize("killed_in", ["write_file", "save"])
def test_a_writer_killed_within_a_commit_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with HistoryStore(tmp_path) as store:
        add(store, [payment(0, device_id="d")])
        if killed_in == "write_file":  # after the first of two files
            calls = iter([True, False])
            monkeypatch.setattr(f"{STORE}.write_file", lambda *each: write_file(*each) if next(calls) else killed())
        else:
            monkeypatch.setattr(f"{STORE}.save", killed)
        with pytest.raises(KilledError):
            add(store, [payment(1, device_id="d")])
    monkeypatch.undo()
    manifest = load(tmp_path)
    assert manifest is not None
    assert manifest.topics["payments"].offsets == {0: 1}
    assert unnamed_files(tmp_path, manifest)
    with HistoryStore(tmp_path) as store:
        assert unnamed_files(tmp_path, store.manifest) == []
        add(store, [payment(1, device_id="d")])
    assert offsets(tmp_path) == [0, 1]
    assert faults(tmp_path) == []


def test_only_one_process_writes(tmp_path: Path) -> None:
    first = HistoryStore(tmp_path)
    with first, pytest.raises(StoreInUseError, match="another process writes"):
        HistoryStore(tmp_path).__enter__()
    with HistoryStore(tmp_path) as second:
        assert second.manifest == first.manifest


def test_small_files_of_a_day_become_one(tmp_path: Path) -> None:
    with HistoryStore(tmp_path) as store:
        for offset in range(FILES_A_TIER):
            add(store, [payment(offset, account_id=f"acct-{offset % 2}", device_id="dev-1")])
        merges = 0
        while store.merge():
            merges += 1
        assert merges == 2  # payments and links
        assert {file.table: file.rows for file in store.manifest.files} == {"payments": FILES_A_TIER, "links": 2}
        assert unnamed_files(tmp_path, store.manifest) == []
    assert offsets(tmp_path) == list(range(FILES_A_TIER))
    assert faults(tmp_path) == []


def test_large_files_are_left_alone() -> None:
    def files(rows: int) -> list[DataFile]:
        return [DataFile("payments", 1, str(number), rows, 1) for number in range(FILES_A_TIER)]

    assert next_merge(files(ROWS_LEFT_ALONE)) == []
    assert next_merge(files(ROWS_LEFT_ALONE - 1)) == files(ROWS_LEFT_ALONE - 1)
    assert next_merge(files(10)[1:]) == []


def test_days_beyond_the_retention_are_removed(tmp_path: Path) -> None:
    first_day = 0
    with HistoryStore(tmp_path, lambda: first_day) as store:
        add(store, [payment(0, at_ms=T0 - 2 * DAY), payment(1)], [decision(0, "p-0", at_ms=T0 - 2 * DAY)])
        first_day = TODAY - 1
        has_expired = [store.has_expired]
        assert add(store, [payment(2, at_ms=T0 - 2 * DAY), payment(3)]) == 1
        assert [*has_expired, store.has_expired] == [True, False]
        assert {file.day for file in store.manifest.files} == {TODAY}
        assert unnamed_files(tmp_path, store.manifest) == []
    assert offsets(tmp_path) == [1, 3]


def test_rows_of_one_account_lie_together(tmp_path: Path) -> None:
    fill(tmp_path, [payment(0, "b"), payment(1, "a"), payment(2, "b", at_ms=T0 + 1), payment(3, "a", at_ms=T0 + 2)])
    manifest = load(tmp_path)
    assert manifest is not None
    (file,) = manifest.files
    assert pq.read_table(file.path(tmp_path))["source_offset"].to_pylist() == [1, 3, 0, 2]
    assert [day for day, _ in by_day("payments", pq.read_table(file.path(tmp_path)))] == [TODAY]


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(b"[]")
    with pytest.raises(HistoryError, match=r"manifest.json is not the manifest of a history store"):
        load(tmp_path)
    (tmp_path / MANIFEST).write_bytes(b'{"layout_version": 2}')
    with pytest.raises(HistoryError, match="has the layout 2, this program reads 1"):
        load(tmp_path)


def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    fill(tmp_path, [payment(0, device_id="d"), payment(1)])
    manifest = load(tmp_path)
    assert manifest is not None
    payments = next(file for file in manifest.files if file.table == "payments")
    links = next(file for file in manifest.files if file.table == "links")

    def faults_with(*files: DataFile) -> list[str]:
        save(tmp_path, Manifest(files=files))
        return faults(tmp_path)

    path = payments.path(tmp_path)
    assert faults_with(payments) == [
        f"{links.path(tmp_path)}: the manifest does not name this file; the writer removes it when it starts.",
        "links: those of kind device count 0 payments; 1 payments have one.",
    ]
    assert faults_with(payments, payments, links)[0] == (
        "payments: 2 records have several rows, the first at partition 0, offset 0."
    )
    size = f"{path}: {payments.bytes} bytes; the manifest says 1."
    assert faults_with(DataFile("payments", TODAY, payments.name, 2, 1), links) == [size]
    assert faults_with(DataFile("payments", TODAY, payments.name, 3, payments.bytes), links) == [
        f"{path}: 2 rows; the manifest says 3."
    ]
    path.unlink()
    assert faults_with(payments, links) == [f"{path}: the file is missing."]
