"""Which files a command line names, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.input_files import input_files


def touched(directory: Path, *names: str) -> list[Path]:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()
    return [directory / name for name in names]


def test_files_keep_their_order_and_directories_are_sorted(tmp_path: Path) -> None:
    b, a = touched(tmp_path, "b.csv", "a.csv")
    days = touched(tmp_path / "days", "2025-01-02.csv.gz", "2025-01-01.parquet", "more/x.jsonl")
    assert input_files([b, tmp_path / "days", a]) == [b, days[1], days[0], days[2], a]


def test_hidden_files_of_a_directory_are_skipped(tmp_path: Path) -> None:
    touched(tmp_path, "_SUCCESS", ".part-0.parquet.crc", "..data/a.csv", "_temporary/b.csv", "part-0.parquet")
    assert input_files([tmp_path]) == [tmp_path / "part-0.parquet"]


def test_a_directory_without_files_and_one_with_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PaymentFileError, match="is a directory without files"):
        input_files([tmp_path])
    touched(tmp_path, "a.csv", "notes.md")
    with pytest.raises(PaymentFileError, match=r"notes\.md: has no ending of a file of payments"):
        input_files([tmp_path])


def test_a_file_given_twice_is_refused(tmp_path: Path) -> None:
    (file,) = touched(tmp_path, "a.csv")
    (tmp_path / "link.csv").symlink_to(file)
    for again in (file, tmp_path, tmp_path / "link.csv"):
        with pytest.raises(PaymentFileError, match="is given twice"):
            input_files([file, again])
