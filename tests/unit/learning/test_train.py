"""From payments to a model that decides: the same again each time, and exactly what training saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fraudstream.cli.main import main
from fraudstream.contracts.artefact import artefact_digest
from fraudstream.contracts.timestamps import utc_text
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.trees.calibration import points_of
from fraudstream.engine.trees.model import Model, encode_model, read_model
from fraudstream.learning.boosting import Boosting
from fraudstream.learning.card import card_text
from fraudstream.learning.default_inputs import default_inputs
from fraudstream.learning.errors import LearningError
from fraudstream.learning.train import TrainingOptions, train
from fraudstream.learning.training_table import Period, TrainingTable, training_table, values_of
from fraudstream.learning.tree_sums import sums_of
from tests.unit.learning.labelled_log import DAY_MS, FEATURES, SCORE, START_MS, made_log, write_topic_file

pytest.importorskip("lightgbm")

TEXTS = {"features.yaml": FEATURES, "score.yaml": SCORE}
RULES = compile_rule_set(TEXTS)
LOG = made_log(days=30)
PERIOD = Period(START_MS, START_MS + 19 * DAY_MS, START_MS + 28 * DAY_MS, 2 * DAY_MS)
SMALL = Boosting(trees=20, leaves=7, learning_rate=0.1)


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    inputs = default_inputs(RULES.catalogue, RULES.base_score)
    return training_table(RULES, LOG.cut(500), inputs, PERIOD, 300)


@pytest.fixture(scope="module")
def model(table: TrainingTable) -> Model:
    return train(RULES, table, PERIOD, TrainingOptions(SMALL, alerts_a_day=3.0))


def test_the_same_payments_give_the_same_model_on_any_number_of_threads(table: TrainingTable, model: Model) -> None:
    again = train(RULES, table, PERIOD, TrainingOptions(SMALL, alerts_a_day=3.0, threads=2))
    assert encode_model(again) == encode_model(model)


def test_the_engine_scores_a_payment_as_its_row_was_scored(model: Model) -> None:
    content = encode_model(model)
    digest = artefact_digest(content)
    files = {"artefacts.yaml": f"artefacts: {{trees: {{digest: {digest}}}}}", "model.yaml": "champion: trees"}
    rule_set = compile_rule_set({**TEXTS, **files}, artefacts={digest: content})
    bare = Engine(RULES)
    values = values_of(bare.judge(LOG.payments, bare.new_state()), [given.name for given in model.inputs])
    engine = Engine(rule_set)
    verdicts = engine.judge(LOG.payments, engine.new_state())
    wanted = points_of(sums_of(model.trees, values), model.calibration, POINTS_MAX)
    assert verdicts.score_points.tolist() == wanted.tolist()
    assert len(set(wanted.tolist())) > 50


def test_what_does_not_vary_is_no_input_and_what_tells_is_used_most(model: Model) -> None:
    names = [given.name for given in model.inputs]
    assert "balance_before" not in names
    assert "account.age" not in names
    assert next(iter(model.card["splits_by_input"])) in ("amount", "terminal.fraud_share_7d", "account.mean_7d")


def test_the_card_says_what_it_was_made_from_and_how_it_did_later(model: Model) -> None:
    card = model.card
    assert card["rule_set"] == RULES.digest
    assert card["data"]["known_by"] == utc_text(PERIOD.until_ms)
    assert card["data"]["genuine_sampled"] == 2 * 300
    assert card["later_payments"]["auc"] > 0.55
    assert 0 < card["later_payments"]["alerts"] <= 3 * 7
    assert sum(week["frauds"] for week in card["weeks"]) == card["later_payments"]["frauds"]
    text = card_text("trees", "3f0c", card)
    assert "# Model trees" in text
    assert "**Limits.**" in text
    assert "| `amount` |" in text


def test_too_few_frauds_are_refused(table: TrainingTable) -> None:
    few = table._replace(fit=table.later, later=table.fit._replace(fraud=np.zeros_like(table.fit.fraud)))
    with pytest.raises(LearningError, match="frauds whose label was known in time; 20 are needed"):
        train(RULES, few, PERIOD, TrainingOptions(SMALL, 3.0))


def test_the_commands_train_show_and_export_a_model_that_replay_decides_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: Model
) -> None:
    rules, out, log = tmp_path / "rules", tmp_path / "trained", tmp_path / "log.jsonl"
    rules.mkdir()
    for name, text in TEXTS.items():
        (rules / name).write_text(text)
    write_topic_file(LOG, log)
    argv = ["train", str(log), "--rules", str(rules), "--until", utc_text(PERIOD.until_ms), "--label-delay", "2d"]
    argv += ["--trees", "20", "--leaves", "7", "--genuine", "300", "--alerts-per-day", "3", "--out", str(out)]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "On later payments: AUC 0." in shown
    [artefact] = (out / "artefacts").iterdir()
    assert read_model(artefact.read_bytes()).inputs == model.inputs
    assert json.loads((out / "trees.card.json").read_text())["digest"] == artefact.name

    assert main(["model", "show", str(artefact)]) == 0
    assert "| known by |" in capsys.readouterr().out

    (rules / "artefacts").mkdir()
    (rules / "artefacts" / artefact.name).write_bytes(artefact.read_bytes())
    (rules / "artefacts.yaml").write_text(f"artefacts: {{trees: {{digest: {artefact.name}}}}}\n")
    (rules / "model.yaml").write_text("champion: trees\n")
    assert main(["replay", str(log), "--rules", str(rules), "--out", str(tmp_path / "replayed"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["alerts"] > 0
    assert summary["auc"] > 0.55


def test_train_refuses_what_leaves_nothing_to_learn_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "features.yaml").write_text(FEATURES)
    common = ["train", "none.jsonl", "--rules", str(tmp_path), "--out", str(tmp_path), "--until", "2025-07-01"]
    assert main([*common, "--from", "2025-06-20"]) == 1
    assert "--from leaves nothing to learn from" in capsys.readouterr().err
    assert main([*common, "--inputs", "amount,account.payment_1d"]) == 1
    assert "Nearest: 'account.payments_1d'" in capsys.readouterr().err


def test_a_model_of_lightgbm_is_imported_and_exported_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import lightgbm

    (tmp_path / "features.yaml").write_text(FEATURES)
    values = np.random.default_rng(1).normal(size=(500, 2)) * 100
    parameters = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    data = lightgbm.Dataset(values, values[:, 0] > 50, feature_name=["amount", "account.payments_1d"])
    lightgbm.train(parameters, data, 5).save_model(tmp_path / "booster.txt")
    argv = ["model", "import", str(tmp_path / "booster.txt"), "--rules", str(tmp_path), "--out", str(tmp_path)]
    assert main([*argv, "--threshold", "0.3"]) == 0
    assert "LightGBM: 5 trees, 2 inputs; on drawn rows at most " in capsys.readouterr().out
    [artefact] = (tmp_path / "artefacts").iterdir()
    assert read_model(artefact.read_bytes()).threshold_millionths == 300_000
    assert main(["model", "export", str(artefact), "--out", str(tmp_path / "model.onnx")]) == 0
    assert (tmp_path / "model.onnx").stat().st_size > 500
    assert main([*argv, "--inputs", "amount,hours"]) == 1
    assert "the model does not fit the rules: there is no field or feature 'hours'" in capsys.readouterr().err
    assert main(["model", "show", str(tmp_path / "booster.txt")]) == 1
    assert "not a model of this release" in capsys.readouterr().err
