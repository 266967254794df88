"""`fraudstream replay` on the files that people have: several files, directories, JSON lines, layouts by flags."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from fraudstream.cli.main import main

HEADER = "TRANSACTION_ID;TX_DATETIME;CUSTOMER_ID;TERMINAL_ID;TX_AMOUNT;TX_FRAUD\n"
FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_1d: {aggregate: count, window: 1d}
"""


@pytest.fixture
def features(tmp_path: Path) -> Path:
    path = tmp_path / "features.yaml"
    path.write_text(FEATURES)
    return path


def generated(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    assert main(["generate", "--out", str(path), "--count", "3000", "--accounts", "200", "--label-delay", "1h"]) == 0
    return path


def test_generated_json_lines_give_the_decisions_of_the_parquet_file(tmp_path: Path) -> None:
    parquet, lines = generated(tmp_path, "p.parquet"), generated(tmp_path, "p.jsonl")
    packed = tmp_path / "p.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    labels = str(tmp_path / "p.labels.jsonl")
    mapped, plain = tmp_path / "mapped", tmp_path / "plain"
    assert main(["replay", str(parquet), "--mapping", "generated", "--label-delay", "1h", "--out", str(mapped)]) == 0
    assert main(["replay", str(packed), labels, "--sort", "--out", str(plain)]) == 0
    assert (plain / "alerts.jsonl").read_bytes() == (mapped / "alerts.jsonl").read_bytes() != b""
    counts = [json.loads((out / "summary.json").read_text()) for out in (mapped, plain)]
    for name in ("payments", "labels", "labels_unmatched", "alerts", "outcomes", "rejected", "late"):
        assert counts[0][name] == counts[1][name], name


def test_a_directory_of_files_is_read_with_the_layout_of_the_flags(
    tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "days"
    directory.mkdir()
    for day in (2, 1):
        text = f"Export of Zoë\n{HEADER}{day};2025-01-0{day} 10:00:00;a;t;10.00;0\nTotal;;;;10.00\n"
        (directory / f"2025-01-0{day}.csv").write_bytes(text.encode("cp1252"))
    flags = ["--mapping", "handbook", "--features", str(features), "--out", str(tmp_path / "out"), "--json"]
    layout = ["--separator", "semicolon", "--encoding", "cp1252", "--header-row", "2", "--trailer-rows", "1"]
    assert main(["replay", str(directory), *flags, *layout]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["payments"] == 2
    assert summary["first_occurred_at_ms"] < summary["last_occurred_at_ms"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["p.csv"], "p.csv: needs --mapping NAME, which says what its columns mean."),
        (["p.csv", "--mapping", "handbook"], "set `file: {separator: semicolon}` in the mapping, or --separator semi"),
        (["p.csv", "--mapping", "handbook", "--separator", "::"], "--separator: separator is '::', expected one ASCII"),
        (["p.csv", "--mapping", "handbook", "--header-row", "-1"], "--header-row: Expected `int` >= 0"),
        (["p.csv", "--mapping", "handbook", "--encoding", "utf8x"], "--encoding: encoding is 'utf8x', which is not kn"),
        (["absent.csv", "--mapping", "handbook"], "absent.csv: can't be read: there is no such file."),
        (["none", "--mapping", "handbook"], "none: is a directory without files."),
        (["p.csv", "p.csv", "--mapping", "handbook"], "p.csv: is given twice (first as p.csv)"),
        (["p.jsonl"], "p.jsonl, line 1: The field 'occurred_at' is missing"),
        (["array.json"], "array.json: is a JSON array; write one object a line"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path,
    features: Path,
    flags: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    (tmp_path / "p.csv").write_text(HEADER + "1;2025-01-01;a;t;1;0\n")
    (tmp_path / "p.jsonl").write_text('{"event_id":"1"}\n')
    (tmp_path / "array.json").write_text('[{"event_id":"1"}]')
    assert main(["replay", *flags, "--features", str(features), "--out", "out"]) == 1
    assert sentence in capsys.readouterr().err
