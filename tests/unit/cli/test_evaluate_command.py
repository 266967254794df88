"""`fraudstream evaluate` from the command line, on generated payments."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraudstream.cli.main import main

FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_1d: {aggregate: count, window: 1d}
  account.amount_mean_30d: {aggregate: mean, of: amount, window: 30d, includes: false}
"""
SCORE = """
threshold: 0.9
parts:
  - {part: amount, weight: 0.6, value: amount / account.amount_mean_30d, from: 1, to: 20}
  - {part: busy, weight: 0.4, value: account.payments_1d, from: 1, to: 12}
"""
RULE = """
id: 11111111-2222-4333-8444-55555555555{number}
title: Many payments in a day
status: {status}
severity: high
tags: [typology.test]
references: [docs/typologies.md]
when: account.payments_1d >= {limit}
message: "many payments"
blind_spots: [slow thieves]
false_positives: [busy people]
"""
HEADER = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rules")
    (directory / "features.yaml").write_text(FEATURES)
    (directory / "score.yaml").write_text(SCORE)
    (directory / "velocity").mkdir()
    for number, (name, status, limit) in enumerate(
        (("busy", "live", 8), ("busier", "shadow", 12), ("never", "live", 999))
    ):
        (directory / "velocity" / f"{name}.yaml").write_text(RULE.format(number=number, status=status, limit=limit))
    return directory


@pytest.fixture(scope="module")
def payments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("payments") / "payments.parquet"
    flags = ["--count", "3000", "--accounts", "200", "--seed", "5", "--fraud-share", "0.03"]
    assert main(["generate", "--out", str(path), *flags, "--json"]) == 0
    return path


@pytest.fixture(scope="module")
def evaluated(payments: Path, rules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluated")
    flags = ["--mapping", "generated", "--rules", str(rules), "--with-features", "--bootstrap", "20"]
    begin = first_quarter(payments)
    assert main(["evaluate", str(payments), *flags, "--from", begin, "--out", str(out), "--alerts-per-day", "5"]) == 0
    return out


def first_quarter(payments: Path) -> str:
    times = pq.read_table(payments).column("occurred_at").to_pylist()
    return str(times[len(times) // 4].isoformat())


def test_a_file_is_replayed_and_measured(evaluated: Path) -> None:
    found = json.loads((evaluated / "evaluation.json").read_bytes())
    assert found["period"]["payments"] == 3000 - 750
    assert found["period"]["frauds"] > 20
    assert [(rule["rule"], rule["status"]) for rule in found["rules"] if rule["rule"] == "velocity/busier"] == [
        ("velocity/busier", "shadow")
    ]
    assert {rule["rule"]: rule["fired"] for rule in found["rules"]}["velocity/never"] == 0
    (scorer,) = found["scorers"]
    assert 0.5 < scorer["auc"] < 1
    assert scorer["intervals"]["auc"]["low"] < scorer["auc"] < scorer["intervals"]["auc"]["high"]
    assert sum(kind["frauds"] for kind in scorer["typologies"]) == found["period"]["frauds"]
    assert {each["reference"]["name"] for each in found["drift"]} == {
        "score",
        "account.payments_1d",
        "account.amount_mean_30d",
    }
    page = (evaluated / "report.html").read_text()
    assert "velocity/busier" in page
    assert "payments.parquet" in page


def test_a_replay_is_measured_again_beside_other_scorers(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions = pq.read_table(evaluated / "decisions.parquet")
    oracle = np.array([label == "fraud" for label in decisions.column("label").to_pylist()], np.float64)
    scores = tmp_path / "oracle.parquet"
    shuffled = np.random.default_rng(1).permutation(len(oracle))
    table = pa.table({"event_id": decisions.column("event_id"), "score": pa.array(oracle)})
    pq.write_table(table.take(pa.array(shuffled)), scores)
    flags = ["--scorer", f"oracle={scores}", "--scorer", f"again={evaluated}", "--bootstrap", "0", "--json"]
    capsys.readouterr()
    assert main(["evaluate", str(evaluated), "--out", str(tmp_path / "out"), *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "out" / "evaluation.json").read_bytes())
    champion, best, again = found["scorers"]
    assert [champion["name"], best["name"], again["name"]] == ["score", "oracle", "again"]
    assert (best["auc"], best["average_precision"]) == (1.0, 1.0)
    assert best["card_precision"]["mean"] == best["card_precision"]["perfect"]
    assert {**again, "name": "score", "difference": {}} == champion
    assert found["period"]["payments"] == 3000


@pytest.mark.parametrize("content", ["[{}]", '{{"format": "fraudstream-calibration-1", "reference": {}}}'])
def test_a_reference_of_an_earlier_calibration_is_compared(evaluated: Path, tmp_path: Path, content: str) -> None:
    reference = tmp_path / "reference.json"
    reference.write_text(content.format('{"name": "score", "edges": [0.1], "counts": [1000, 0], "missing": 0}'))
    flags = ["--out", str(tmp_path / "out"), "--reference", str(reference), "--bootstrap", "0"]
    assert main(["evaluate", str(evaluated), *flags]) == 0
    (drift,) = json.loads((tmp_path / "out" / "evaluation.json").read_bytes())["drift"]
    assert drift["index"] > 0.01
    assert drift["reference"]["counts"] == [1000, 0]


def test_payments_after_the_period_are_not_read(rules: Path, tmp_path: Path) -> None:
    rows = [f"{n},2025-01-{1 + n // 10:02d} 10:00:{n % 10:02d},a{n % 3},t,10.00,{int(n % 7 == 0)}" for n in range(40)]
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    whole.write_text("\n".join([HEADER, *rows]) + "\n")
    part.write_text("\n".join([HEADER, *rows[:20]]) + "\n")
    found = []
    for file in (whole, part):
        out = tmp_path / file.stem
        flags = [
            "--mapping",
            "handbook",
            "--rules",
            str(rules),
            "--until",
            "2025-01-03",
            "--k",
            "2",
            "--bootstrap",
            "5",
        ]
        assert main(["evaluate", str(file), *flags, "--out", str(out)]) == 0
        found.append(json.loads((out / "evaluation.json").read_bytes()))
    assert found[0] == found[1]
    assert found[0]["period"]["payments"] == 20


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--from", "2031-01-01"], "no payment of {dir} is there from 2031-01-01T00:00:00Z. Check --from and --until."),
        (["--from", "2025-01-02", "--until", "2025-01-02"], "--from must be before --until"),
        (["--scorer", "forest"], "--scorer forest: must be NAME=PATH"),
        (["--scorer", "score={dir}"], "there are two scorers named 'score'"),
        (["--scorer", "b={dir}/features.parquet"], "{dir}/features.parquet has no column 'score'"),
        (["--scorer", "b={dir}/report.html"], "{dir}/report.html can't be read: it is not a Parquet file."),
        (["--reference", "{dir}/report.html"], "{dir}/report.html is no list of reference histograms"),
        (["--reference", "{dir}/absent.json"], "{dir}/absent.json: No such file"),
        (["--folds", "2", "--from", "2025-01-02"], "--folds needs --from and --until"),
        (["--bootstrap", "-1"], "--bootstrap -1: must be 0 or more."),
    ],
)
def test_a_mistake_is_one_sentence(
    flags: list[str], sentence: str, evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [flag.replace("{dir}", str(evaluated)) for flag in flags]
    assert main(["evaluate", str(evaluated), "--out", str(tmp_path / "out"), *given]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("fraudstream: " + sentence.replace("{dir}", str(evaluated))), shown
    assert not (tmp_path / "out").exists()


def test_scores_of_other_payments_are_refused(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "few.parquet"
    pq.write_table(pa.table({"event_id": ["x"], "score": [0.5]}), scores)
    assert main(["evaluate", str(evaluated), "--out", str(tmp_path / "out"), "--scorer", f"few={scores}"]) == 1
    assert "few.parquet has no score of 3,000 of the payments, first '" in capsys.readouterr().err
