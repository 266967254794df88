"""The Handbook example: its rules are valid, and its comparison reports differences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraudstream.cli.main import main

EXAMPLE = Path(__file__).parents[3] / "examples" / "handbook"
DAYS = (1, 7, 30)


def test_the_example_rules_are_valid_and_pass_their_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", str(EXAMPLE / "rules")]) == 0
    assert main(["rules", "test", str(EXAMPLE / "rules")]) == 0


def compare(tmp_path: Path, count: float = 3, mean_minor: float = 2210 / 3, book_mean: float = 22.10 / 3) -> int:
    """Two payments of two customers a day apart, alike but for the given values of the first."""
    ours: dict[str, object] = {
        "event_id": ["7", "8"],
        "account_id": ["a", "b"],
        "occurred_at": pa.array([1_000, 86_401_000], pa.timestamp("ms", "UTC")),
        "weekend": [True, False],
        "night": [False, False],
    }
    store: dict[str, object] = {"TRANSACTION_ID": [8, 7], "TX_DURING_WEEKEND": [0, 1], "TX_DURING_NIGHT": [0, 0]}
    for days in DAYS:
        ours[f"account.payments_{days}d"] = [count, 5.0]
        ours[f"account.amount_mean_{days}d"] = [mean_minor, 100.0]
        ours[f"terminal.payments_{days}d"] = [0.0, 1.0]
        ours[f"terminal.fraud_share_{days}d"] = [0.0, 1 / 3]
        store[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"] = [5, 3]
        store[f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"] = np.array([1.0, book_mean], np.float32)
        store[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"] = [1, 0]
        store[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"] = np.array([1 / 3, 0], np.float32)
    paths = [tmp_path / "ours.parquet", tmp_path / "book.parquet"]
    for path, columns in zip(paths, (ours, store), strict=True):
        pq.write_table(pa.table(columns), path)
    return subprocess.run([sys.executable, EXAMPLE / "compare.py", *paths], capture_output=True).returncode


def test_equal_features_compare_as_equal(tmp_path: Path) -> None:
    assert compare(tmp_path) == 0


def test_a_count_that_is_off_by_one_is_reported(tmp_path: Path) -> None:
    assert compare(tmp_path, count=4) == 1


def test_a_mean_beyond_the_published_precision_is_reported(tmp_path: Path) -> None:
    assert compare(tmp_path, book_mean=22.10 / 3 + 2e-6) == 1
