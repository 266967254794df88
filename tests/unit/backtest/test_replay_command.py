"""`fraudstream replay` and `generate` from the command line: output files, messages and rejected input."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from fraudstream.cli.main import main
from fraudstream.contracts import Label, Payment

HEADER = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"
FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
  terminal: {key: terminal_id, slots: 16}
features:
  account.payments_1d: {aggregate: count, window: 1d}
  account.amount_mean_1d: {aggregate: mean, of: amount, window: 1d}
  terminal.fraud_share_1d: {aggregate: share, of: fraud, window: 1d, delay: 1d}
"""


@pytest.fixture
def features(tmp_path: Path) -> Path:
    path = tmp_path / "features.yaml"
    path.write_text(FEATURES)
    return path


def payments(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "payments.csv"
    path.write_text(HEADER + "".join(row + "\n" for row in rows))
    return path


def test_features_alone_need_no_rules_and_labels_come_late(
    tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = payments(
        tmp_path,
        "1,2025-01-01 10:00:00,a,t,10.00,1",
        "2,2025-01-01 11:00:00,a,t,20.00,0",
        "3,2025-01-02 10:00:00,b,t,5.00,0",  # the first label has just come
        "4,2025-01-02 11:30:00,b,t,5.00,0",  # both have
    )
    out = tmp_path / "out"
    flags = ["--mapping", "handbook", "--features", str(features), "--out", str(out), "--label-delay", "1d", "--json"]
    assert main(["replay", str(file), *flags, "--features-out", str(tmp_path / "features.parquet")]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["payments"], summary["labels"], summary["frauds"], summary["alerts"]) == (4, 4, 1, 0)
    assert json.loads((out / "summary.json").read_text()) == summary
    table = pq.read_table(tmp_path / "features.parquet").to_pydict()
    assert table["account.payments_1d"] == [1, 2, 1, 2]
    assert table["account.amount_mean_1d"] == [1000, 1500, 500, 500]  # minor units
    assert table["terminal.fraud_share_1d"] == [0, 0, 1, 0.5]
    assert (out / "alerts.jsonl").read_bytes() == b""


def test_a_catalogue_with_an_empty_rules_directory_is_accepted(tmp_path: Path, features: Path) -> None:
    (tmp_path / "rules").mkdir()
    file = payments(tmp_path, "1,2025-01-01,a,t,1,0")
    flags = ["--mapping", "handbook", "--features", str(features), "--rules", str(tmp_path / "rules")]
    assert main(["replay", str(file), *flags, "--out", str(tmp_path / "out")]) == 0


def test_rules_that_do_not_fit_the_catalogue_are_reported_by_file(
    tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "score.yaml").write_text(
        "threshold: 0.5\nparts:\n  - {part: a, weight: 0.5, value: account.payment_1d, from: 0, to: 1}\n"
    )
    file = payments(tmp_path, "1,2025-01-01,a,t,1,0")
    flags = ["--mapping", "handbook", "--features", str(features), "--rules", str(rules), "--out", str(tmp_path / "o")]
    assert main(["replay", str(file), *flags]) == 1
    errors = capsys.readouterr().err
    assert f"{rules / 'score.yaml'}:3:" in errors
    assert "account.payments_1d" in errors


def test_a_faulty_catalogue_is_reported_with_its_path(
    tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features.write_text(FEATURES.replace("aggregate: mean", "aggregate: meen"))
    file = payments(tmp_path, "1,2025-01-01,a,t,1,0")
    flags = ["--mapping", "handbook", "--features", str(features), "--out", str(tmp_path / "out")]
    assert main(["replay", str(file), *flags]) == 1
    assert f"{features}:8:" in capsys.readouterr().err


def test_an_unsorted_file_is_rejected_unless_it_is_to_be_sorted(
    tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = payments(tmp_path, "1,2025-01-02,a,t,1,0", "2,2025-01-01,a,t,1,0")
    flags = ["--mapping", "handbook", "--features", str(features), "--out", str(tmp_path / "out")]
    assert main(["replay", str(file), *flags]) == 1
    assert "row 2, column 'TX_DATETIME'" in capsys.readouterr().err
    assert not (tmp_path / "out" / "decisions.parquet").exists()
    assert main(["replay", str(file), *flags, "--sort"]) == 0
    assert pq.read_table(tmp_path / "out" / "decisions.parquet").column("event_id").to_pylist() == ["2", "1"]


def test_generated_parquet_replays_under_the_shipped_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "payments.parquet"
    flags = ["--count", "20000", "--accounts", "500", "--fraud-share", "0.02", "--history", "20d"]
    assert main(["generate", "--out", str(file), *flags]) == 0
    capsys.readouterr()
    assert main(["replay", str(file), "--mapping", "generated", "--out", str(tmp_path / "out"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["payments"] == 20_000
    assert summary["alert"]["precision"] > 0.3
    fired = {rule["rule"].split("/")[0] for rule in summary["rules"] if rule["fired_on_fraud"]}
    assert len(fired) >= 7


def test_generated_lines_equal_the_events_of_the_topic(tmp_path: Path) -> None:
    file = tmp_path / "payments.jsonl"
    assert main(["generate", "--out", str(file), "--count", "500", "--accounts", "200", "--label-delay", "1h"]) == 0
    payments = msgspec.json.decode(b"[" + b",".join(file.read_bytes().splitlines()) + b"]", type=list[Payment])
    lines = (tmp_path / "payments.labels.jsonl").read_bytes().splitlines()
    labels = msgspec.json.decode(b"[" + b",".join(lines) + b"]", type=list[Label])
    assert len(payments) == len(labels) == 500
    assert [label.event_id for label in labels] == [payment.event_id for payment in payments]
    assert labels[0].labelled_at == int(payments[0].occurred_at) + 3_600_000  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--out", "x.csv"], "x.csv: the name must end in .parquet or .jsonl"),
        (["--out", "x.jsonl", "--accounts", "5"], "`int` >= 100"),
        (["--out", "x.jsonl", "--start", "soon"], "--start: 'soon' is not a date and time in ISO 8601"),
    ],
)
def test_an_invalid_generator_plan_is_rejected(
    flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["generate", *flags]) == 1
    assert sentence in capsys.readouterr().err


LISTED_RULE = """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Terminal on the list
status: live
severity: high
when: terminal_id in lists.skimmed
message: "{terminal_id}"
"""


def test_lists_given_as_a_file_count_until_they_expire(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules, listed = tmp_path / "rules", tmp_path / "listed.jsonl"
    (rules / "cards").mkdir(parents=True)
    (rules / "features.yaml").write_text(FEATURES)
    (rules / "lists.yaml").write_text("lists:\n  skimmed: {of: terminal_id, kind: watch, description: skimmers}\n")
    (rules / "cards/skimmed.yaml").write_text(LISTED_RULE)
    file = payments(
        tmp_path,
        "1,2025-01-01 10:00:00,a,t,10.00,1",
        "2,2025-01-01 11:00:00,a,t,20.00,0",
        "3,2025-01-01 12:00:00,a,u,1,0",
    )
    flags = ["--mapping", "handbook", "--rules", str(rules), "--out", str(tmp_path / "out"), "--lists", str(listed)]
    listed.write_text('{"list": "skimmed", "value": "t", "expires_at_ms": 1735729200000}\n')  # 11:00
    assert main(["replay", str(file), *flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["alerts"] == 1
    listed.write_text('{"list": "skimmd", "value": "t"}\n')
    assert main(["replay", str(file), *flags]) == 1
    assert f"{listed}:1: lists.yaml has no list 'skimmd'. Nearest: 'skimmed'." in capsys.readouterr().err
    listed.write_text(json.dumps({"list": "skimmed", "value": "t\t"}) + "\n")
    assert main(["replay", str(file), *flags]) == 1
    assert f"{listed}:1: 't\t' would match no payment: An identifier holds" in capsys.readouterr().err


BAD_ROWS = ("1,2025-01-01 10:00:00,a,t,10.00,1", "2,2025-01-01 11:00:00,,t,20.00,0", "3,2025-01-02 10:00:00,b,t,five,0")


def test_a_bad_row_stops_a_replay_which_says_how_to_skip_it(
    tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = payments(tmp_path, *BAD_ROWS), tmp_path / "out"
    assert main(["replay", str(file), "--mapping", "handbook", "--features", str(features), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert f"{file}, row 2, column 'CUSTOMER_ID': is empty, but account_id is required." in said
    assert "--on-bad-row skip" in said
    assert list(out.iterdir()) == []


def test_skipped_rows_are_listed_beside_the_results(
    tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = payments(tmp_path, *BAD_ROWS), tmp_path / "out"
    flags = ["--mapping", "handbook", "--features", str(features), "--out", str(out), "--on-bad-row", "skip"]
    assert main(["replay", str(file), *flags]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2 rows skipped as bad" in said
    assert "row 2, column 'CUSTOMER_ID': is empty, but account_id is required." in said
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["payments"], summary["rows_skipped"]) == (1, {"amount": 1, "invalid": 1})
    rows = [json.loads(line)["row"] for line in (out / "bad_rows.jsonl").read_text().splitlines()]
    assert rows == [2, 3]
    assert main(["replay", str(payments(tmp_path, BAD_ROWS[0])), *flags, "--json"]) == 0
    assert not (out / "bad_rows.jsonl").exists()


def test_rows_left_out_and_amounts_to_check_are_in_the_summary(
    tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "title: t\nwhere: {column: TERMINAL_ID, not_in: [x]}\npayment:\n  event_id: {column: TRANSACTION_ID}\n"
        "  occurred_at: {column: TX_DATETIME}\n  account_id: {column: CUSTOMER_ID}\n  amount: {column: TX_AMOUNT}\n"
        "  currency: {constant: EUR}\n  direction: {constant: debit}\n"
    )
    file = payments(tmp_path, "1,2025-01-01,a,t,1000,1", "2,2025-01-02,a,x,1000,1")
    flags = ["--mapping", str(mapping), "--features", str(features), "--out", str(tmp_path / "out")]
    assert main(["replay", str(file), *flags]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 row left out by `where` of the mapping." in said
    assert "The amounts in 'TX_AMOUNT' are whole numbers, read as major units." in said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["rows_excluded"] == 1
    assert "set `scale: minor`" in summary["notices"][0]
