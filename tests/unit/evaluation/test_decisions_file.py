"""What a replay's files become as arrays of an evaluation, and which files are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraudstream.evaluation.decisions_file import DecisionsFileError, read_replay
from fraudstream.evaluation.decisions_schema import decisions_schema
from fraudstream.evaluation.payments import EvaluatedRule

ROWS: list[dict[str, Any]] = [
    {"event_id": "1", "account_id": "b", "rules": ["x/one"], "outcome": "review", "label": "fraud", "typology": "mule"},
    {"event_id": "2", "account_id": "a", "shadow_rules": ["x/two", "x/three"], "label": None, "currency": "USD"},
    {"event_id": "1", "account_id": "b", "rules": ["x/one"], "outcome": "review", "label": "fraud", "repeat": True},
    {"event_id": "3", "account_id": "b", "rules": ["x/four", "x/one"], "outcome": "block", "label": "genuine"},
]
USUAL = {
    "outcome": "allow", "score": 0.25, "rules": [], "shadow_rules": [], "alert_id": None, "repeat": False,
    "late": False, "altered": False, "unmatched": [], "label": None, "typology": None, "rule_set": "cafe",
    "amount_minor": 100, "currency": "EUR", "occurred_at": 1_000,
}  # fmt: skip


def written(directory: Path, shadow: dict[str, list[float]] | None = None, drop: str | None = None) -> Path:
    schema = decisions_schema(list(shadow or {}))
    rows = [{**USUAL, **row, **{f"score.{k}": v[at] for k, v in (shadow or {}).items()}} for at, row in enumerate(ROWS)]
    table = pa.Table.from_pylist(rows, schema)
    pq.write_table(table if drop is None else table.drop_columns(drop), directory / "decisions.parquet")
    return directory


def test_a_replay_is_read_without_its_repeats(tmp_path: Path) -> None:
    found = read_replay(written(tmp_path))
    payments = found.payments
    assert found.event_id.to_pylist() == ["1", "2", "3"]
    assert found.rows.tolist() == [0, 1, 3]
    assert found.rule_set == "cafe"
    assert payments.account.tolist() == [1, 0, 1]
    assert payments.label.tolist() == [1, -1, 0]
    assert payments.alerted.tolist() == [True, False, True]
    assert [payments.currencies[code] for code in payments.currency] == ["EUR", "USD", "EUR"]
    assert (payments.typologies, payments.typology.tolist()) == (("mule",), [0, -1, -1])
    fired = {rule: payments.fired[:, number].tolist() for number, rule in enumerate(payments.rules)}
    assert fired == {
        EvaluatedRule("x/one", "live"): [True, False, True],
        EvaluatedRule("x/four", "live"): [False, False, True],
        EvaluatedRule("x/two", "shadow"): [False, True, False],
        EvaluatedRule("x/three", "shadow"): [False, True, False],
    }


def test_rules_that_never_fired_come_from_the_summary(tmp_path: Path) -> None:
    summary = {"rules": [{"rule": "x/never"}, {"rule": "x/one"}], "shadow_rules": [{"rule": "x/two"}]}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    names = [rule.name for rule in read_replay(written(tmp_path)).payments.rules]
    assert names == ["x/never", "x/one", "x/two", "x/four", "x/three"]


def test_scores_that_decide_nothing_are_scorers(tmp_path: Path) -> None:
    scores = read_replay(written(tmp_path, {"trees": [0.1, 0.2, 0.9, 0.3]})).payments.scores
    assert {name: score.tolist() for name, score in scores.items()} == {
        "score": [0.25, 0.25, 0.25],
        "trees": [0.1, 0.2, 0.3],
    }


def test_beside_the_score_of_the_rule_set_the_model_is_the_champion(tmp_path: Path) -> None:
    scores = read_replay(written(tmp_path, {"trees": [0.1] * 4, "score": [0.5] * 4})).payments.scores
    assert [(name, score[0]) for name, score in scores.items()] == [("champion", 0.25), ("trees", 0.1), ("score", 0.5)]


@pytest.mark.parametrize("name", ["amount_minor", "label", "currency"])
def test_a_file_of_an_earlier_version_is_refused(tmp_path: Path, name: str) -> None:
    written(tmp_path, drop=name)
    with pytest.raises(DecisionsFileError, match=f"no column '{name}': it was written by an earlier version"):
        read_replay(tmp_path)
