"""Tuning an evidence score on a generated file: the calibration, its thresholds, and the command that writes it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from fraudstream.backtest.replay import replay
from fraudstream.backtest.score_thresholds import TuningError, threshold
from fraudstream.backtest.score_tuning import tune
from fraudstream.cli import main as cli
from fraudstream.contracts.artefact import artefact_digest
from fraudstream.engine.learned_score.calibration import Budget, CalibrationContent, encode_calibration
from fraudstream.engine.learned_score.scorer import EvidenceScorer
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream

PLAN = GeneratorPlan(1_735_689_600_000, seed=3, accounts=300, fraud_share=0.02)
N = 3_000
DAY_MS = 86_400_000
FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 64}
features:
  account.payments_1d: {aggregate: count, window: 1d}
  account.new_device: {aggregate: first_seen, of: device_id, window: 30d}
"""
SCORE = """
kind: evidence
alerts_per_day: 20
parts:
  - {part: busy, value: account.payments_1d, bins: {from: 0, step: 1, count: 50}}
  - {part: new_device, value: account.new_device}
"""


def rules(
    score: str = SCORE, artefacts: str = "", contents: tuple[bytes, ...] = (), *, to_be_tuned: bool = False
) -> RuleSet:
    texts = {"features.yaml": FEATURES, "score.yaml": score}
    if artefacts:
        texts["artefacts.yaml"] = artefacts
    found = {artefact_digest(content): content for content in contents}
    return compile_rule_set(texts, artefacts=found, to_be_tuned=to_be_tuned)


def tuned(budgets: list[Budget], batch_size: int = 1_000) -> CalibrationContent:
    return tune(
        rules(to_be_tuned=True),
        stream(PLAN, N),
        budgets,
        label_delay_ms=DAY_MS // 8,
        span_ms=30 * DAY_MS,
        batch_size=batch_size,
    )


def test_the_calibration_does_not_depend_on_the_batch_size() -> None:
    found = {encode_calibration(tuned([Budget("alerts_per_day", 20)], size)) for size in (37, 1_000, 100_000)}
    assert len(found) == 1


def test_a_rule_set_with_the_calibration_scores_by_what_was_learned(tmp_path: Path) -> None:
    content = tuned([Budget("alerts_per_day", 20)])
    assert sum(content.parts[0].fraud) == content.totals.fraud > 10
    encoded = encode_calibration(content)
    named = f"artefacts: {{tuned: {{digest: {artefact_digest(encoded)}}}}}"
    fixed = rules(SCORE + "calibration: tuned\nlearning: off\n", named, (encoded,))
    assert isinstance(fixed.scorer, EvidenceScorer)
    assert fixed.scorer.threshold_points == content.thresholds[0].points
    fixed_scores = replay(fixed, stream(PLAN, N), tmp_path / "fixed", label_delay_ms=DAY_MS, batch_size=500)
    other_delay = replay(fixed, stream(PLAN, N), tmp_path / "other", label_delay_ms=DAY_MS // 8, batch_size=500)
    assert fixed_scores.alerts == other_delay.alerts > 0
    assert (tmp_path / "fixed/decisions.parquet").read_bytes() == (tmp_path / "other/decisions.parquet").read_bytes()


def test_alerts_a_day_are_at_most_the_budget() -> None:
    rng = np.random.default_rng(5)
    points = rng.integers(0, 50, 2_000).astype(np.int32)
    labels = rng.integers(-1, 2, 2_000).astype(np.int8)
    for budget in (1.0, 7.5, 300.0, 5_000.0):
        found = threshold(Budget("alerts_per_day", budget), points, labels, 4.0)
        alerts = int((points >= found.points).sum())
        assert alerts <= budget * 4
        assert found.points <= 1 or int((points >= found.points - 1).sum()) > budget * 4
        assert found.alerts_a_day == pytest.approx(alerts / 4)


def test_a_precision_floor_is_kept_by_the_lowest_threshold() -> None:
    points = np.array([50, 40, 40, 30, 20, 10], np.int32)
    labels = np.array([1, 1, 0, 1, 0, 0], np.int8)
    found = threshold(Budget("precision_floor", 0.7), points, labels, 1.0)
    assert (found.points, found.precision, found.recall) == (30, 0.75, 1.0)
    with pytest.raises(TuningError, match=r"no threshold reaches a precision of 0\.9"):
        threshold(Budget("precision_floor", 0.9), points[1:], labels[1:], 1.0)


def test_rules_without_an_evidence_score_cannot_be_tuned() -> None:
    without = compile_rule_set({"features.yaml": FEATURES})
    with pytest.raises(TuningError, match="no evidence score"):
        tune(without, stream(PLAN, 10), [], label_delay_ms=0, span_ms=DAY_MS, batch_size=10)


def test_no_payment_is_a_plain_error() -> None:
    with pytest.raises(TuningError, match="no payment"):
        tune(rules(to_be_tuned=True), [], [], label_delay_ms=0, span_ms=DAY_MS, batch_size=10)


def test_the_command_writes_an_artefact_that_the_rules_can_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, file = tmp_path / "rules", tmp_path / "p.parquet"
    directory.mkdir()
    (directory / "features.yaml").write_text(FEATURES)
    (directory / "score.yaml").write_text(SCORE)
    flags = ["--count", "2000", "--accounts", "200", "--seed", "1", "--fraud-share", "0.05"]
    assert cli.main(["generate", "--out", str(file), *flags]) == 0
    capsys.readouterr()
    command = ["score", "tune", str(file), "--mapping", "generated", "--rules", str(directory), "--label-delay", "1h"]
    assert cli.main([*command, "--precision-floor", "0.01", "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    artefact = directory / "artefacts" / found["digest"]
    assert artefact_digest(artefact.read_bytes()) == found["digest"]
    assert [entry["budget"] for entry in found["thresholds"]] == ["precision_floor", "alerts_per_day"]
    report = artefact.with_suffix(".md").read_text()
    assert "| busy |" in report
    assert "of genuine payments, a share of frauds of 0." in report
    (directory / "artefacts.yaml").write_text(f"artefacts: {{tuned: {{digest: {found['digest']}}}}}\n")
    (directory / "score.yaml").write_text(SCORE + "calibration: tuned\n")
    assert cli.main(["rules", "check", "--rules", str(directory)]) == 0


def test_the_command_says_that_there_is_nothing_to_tune(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "features.yaml").write_text(FEATURES)
    file = tmp_path / "p.parquet"
    assert cli.main(["generate", "--out", str(file), "--count", "100", "--accounts", "200", "--seed", "1"]) == 0
    capsys.readouterr()
    assert cli.main(["score", "tune", str(file), "--mapping", "generated", "--rules", str(tmp_path)]) == 1
    assert "no evidence score" in capsys.readouterr().err
