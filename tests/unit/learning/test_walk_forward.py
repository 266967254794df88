"""A model for each fold, trained as on the fold's first day: what comes later moves no score before it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from fraudstream.cli.main import main
from fraudstream.contracts.timestamps import utc_text
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.trees.model import encode_model
from fraudstream.evaluation.ranking import area_under_roc, score_counts
from fraudstream.learning.boosting import Boosting
from fraudstream.learning.default_inputs import default_inputs
from fraudstream.learning.errors import LearningError
from fraudstream.learning.train import TrainingOptions, train
from fraudstream.learning.training_table import Period, training_table
from fraudstream.learning.walk_forward import FoldToTrain, ScoredFolds, walk_forward
from tests.unit.learning.labelled_log import DAY_MS, FEATURES, SCORE, START_MS, Log, made_log, write_topic_file

pytest.importorskip("lightgbm")

RULES = compile_rule_set({"features.yaml": FEATURES, "score.yaml": SCORE})
INPUTS = default_inputs(RULES.catalogue, RULES.base_score)
LOG = made_log(days=34)
OPTIONS = TrainingOptions(Boosting(trees=10, leaves=5, learning_rate=0.1), alerts_a_day=3.0)
GENUINE_MAX = 300


def day(number: int) -> int:
    """Ms since the epoch of a day of the log."""
    return START_MS + number * DAY_MS


def fold(begin: int, end: int) -> FoldToTrain:
    """Trained at `begin` and scoring until `end`, in days of the log."""
    return FoldToTrain(Period(day(0), day(begin - 11), day(begin), 2 * DAY_MS), day(end))


FOLDS = [fold(28, 30), fold(30, 32)]


def scored(log: Log, folds: list[FoldToTrain] = FOLDS, size: int = 500) -> ScoredFolds:
    return walk_forward(RULES, log.cut(size), INPUTS, folds, GENUINE_MAX, OPTIONS, batch_size=size)


@pytest.fixture(scope="module")
def whole() -> ScoredFolds:
    return scored(LOG)


def test_each_fold_is_scored_once_by_the_model_that_train_makes_on_its_first_day(whole: ScoredFolds) -> None:
    for each, model in zip(FOLDS, whole.models, strict=True):
        table = training_table(RULES, LOG.cut(500), INPUTS, each.period, GENUINE_MAX)
        assert encode_model(train(RULES, table, each.period, OPTIONS)) == encode_model(model)
    in_folds = (LOG.occurred_at_ms >= day(28)) & (LOG.occurred_at_ms < day(32))
    assert whole.event_ids == [LOG.payments[at].event_id for at in np.flatnonzero(in_folds).tolist()]
    assert len(set(whole.scores.tolist())) > 20
    assert encode_model(whole.models[0]) != encode_model(whole.models[1])


def test_a_label_is_learned_from_by_the_folds_after_the_time_that_the_file_gives_it(whole: ScoredFolds) -> None:
    """Labels of days 24 and 25 become known on day 29, within fold 1: too late for its model, in time for the next."""
    told = LOG.occurred_at_ms + 2 * DAY_MS
    late = (LOG.occurred_at_ms >= day(24)) & (LOG.occurred_at_ms < day(26))
    log = LOG._replace(labelled_at_ms=np.where(late, day(29), told))
    found = scored(log)
    unlabelled = scored(LOG._replace(labels=np.where(late, -1, LOG.labels).astype(np.int8)), FOLDS[:1])
    assert encode_model(found.models[0]) == encode_model(unlabelled.models[0]) != encode_model(whole.models[0])
    for each, model in zip(FOLDS, found.models, strict=True):
        table = training_table(RULES, log.cut(500), INPUTS, each.period, GENUINE_MAX)
        assert encode_model(train(RULES, table, each.period, OPTIONS)) == encode_model(model)


def test_another_split_into_batches_changes_no_bit(whole: ScoredFolds) -> None:
    again = scored(LOG, size=97)
    assert again.scores.tobytes() == whole.scores.tobytes()
    assert [encode_model(model) for model in again.models] == [encode_model(model) for model in whole.models]


def test_what_comes_later_moves_no_score_before_it(whole: ScoredFolds) -> None:
    """From day 29 on other amounts, at other terminals, all of them fraud: fold 1 is half scored by then."""
    split = int(np.searchsorted(LOG.occurred_at_ms, day(29)))
    order = np.random.default_rng(1).permutation(len(LOG.payments) - split) + split
    later = [
        msgspec.structs.replace(payment, amount=LOG.payments[at].amount, terminal_id="t-0")
        for payment, at in zip(LOG.payments[split:], order.tolist(), strict=True)
    ]
    labels = LOG.labels.copy()
    labels[split:] = 1
    changed = scored(Log([*LOG.payments[:split], *later], LOG.occurred_at_ms, labels))
    before = whole.event_ids.index(LOG.payments[split].event_id)
    assert changed.scores[:before].tobytes() == whole.scores[:before].tobytes()
    assert encode_model(changed.models[0]) == encode_model(whole.models[0])
    assert changed.scores[before:].tobytes() != whole.scores[before:].tobytes()


def test_a_fold_after_the_last_payment_needs_no_model() -> None:
    found = scored(LOG.part(slice(0, int(np.searchsorted(LOG.occurred_at_ms, day(30))))))
    assert len(found.models) == 1


def test_a_fold_with_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(LearningError, match="frauds whose label was known in time"):
        scored(LOG, [fold(12, 14)])


TRAINING = ["--trees", "10", "--leaves", "5", "--genuine", "300", "--label-delay", "2d", "--alerts-per-day", "3"]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `evaluate --train` wrote, in `out`, of `log.jsonl` under `rules`."""
    directory = tmp_path_factory.mktemp("evaluated")
    (directory / "rules").mkdir()
    (directory / "rules/features.yaml").write_text(FEATURES)
    (directory / "rules/score.yaml").write_text(SCORE)
    write_topic_file(LOG, directory / "log.jsonl")
    period = ["--from", utc_text(day(28)), "--until", utc_text(day(30)), "--folds", "2", "--bootstrap", "0"]
    argv = ["evaluate", str(directory / "log.jsonl"), "--rules", str(directory / "rules"), *period, "--train"]
    assert main([*argv, *TRAINING, "--out", str(directory / "out")]) == 0
    return directory


def test_evaluate_measures_the_models_of_all_folds_beside_the_score(evaluated: Path) -> None:
    found = json.loads((evaluated / "out/evaluation.json").read_bytes())
    assert [scorer["name"] for scorer in found["scorers"]] == ["score", "model"]
    folds = {each["name"]: each["folds"] for each in found["folds"]}
    assert [fold["payments"] for fold in folds["model"]] == [fold["payments"] for fold in folds["score"]]
    table = pq.read_table(evaluated / "out/model_scores.parquet")
    scores = dict(zip(table.column("event_id").to_pylist(), table.column("score").to_pylist(), strict=True))
    in_fold = np.flatnonzero((LOG.occurred_at_ms >= day(28)) & (LOG.occurred_at_ms < day(30))).tolist()
    counts = score_counts(np.array([scores[LOG.payments[at].event_id] for at in in_fold]), LOG.labels[in_fold])
    assert folds["model"][0]["auc"] == area_under_roc(counts.genuine, counts.frauds)
    assert folds["model"][0]["auc"] != folds["model"][1]["auc"]
    assert {drift["reference"]["name"] for drift in found["drift"]} == {"score"}


def test_evaluate_writes_the_model_that_train_makes_of_a_file_with_labels_of_its_own(
    evaluated: Path, tmp_path: Path
) -> None:
    common = ["train", str(evaluated / "log.jsonl"), "--rules", str(evaluated / "rules"), *TRAINING]
    assert main([*common, "--until", utc_text(day(30)), "--out", str(tmp_path)]) == 0
    made = json.loads((tmp_path / "trees.card.json").read_bytes())["digest"]
    [card] = (evaluated / "out").glob(f"model_{utc_text(day(30))[:10].replace('-', '_')}.card.json")
    assert json.loads(card.read_bytes())["digest"] == made


def test_evaluate_refuses_to_train_on_a_replay_or_without_a_period(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["evaluate", str(evaluated / "out"), "--train", "--out", str(tmp_path / "out")]
    assert main(argv) == 1
    assert "--train needs files of payments, --from and --until" in capsys.readouterr().err
    assert main([*argv, "--from", utc_text(day(28)), "--until", utc_text(day(30))]) == 1
    assert "is a replay, which holds no payments to train on" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
