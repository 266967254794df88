"""Models of LightGBM and XGBoost score here as in their library, and an export scores as the engine, to the bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.engine.trees.ensemble import LEAF, VALUE_ONE, check_trees
from fraudstream.engine.trees.model import encode_model, read_model
from fraudstream.learning.checked_import import drawn_rows, import_model
from fraudstream.learning.errors import LearningError
from fraudstream.learning.lightgbm_trees import trees_of_lightgbm
from fraudstream.learning.onnx_export import onnx_bytes
from fraudstream.learning.tree_sums import sums_of
from fraudstream.learning.xgboost_trees import greatest_below, trees_of_xgboost
from tests.property.profile import EXAMPLES

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

NAMES = ["amount", "hour", "account.payments_1h", "foreign"]
FEATURES = """\
version: 1
entities: {account: {key: account_id, slots: 8}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
  foreign: {derive: country != "DE"}
"""


def rows(n: int = 2_000) -> tuple[Any, Any]:
    """Values with missing ones, and labels that depend on them."""
    random = np.random.default_rng(3)
    values = random.normal(size=(n, 4)) * [100, 5, 2, 1]
    values[:, 3] = values[:, 3] > 0
    values[random.random((n, 4)) < 0.1] = np.nan
    odds = np.nan_to_num(values[:, 0]) / 50 + np.nan_to_num(values[:, 2]) * np.nan_to_num(values[:, 3]) - 2
    return values, (random.random(n) < 1 / (1 + np.exp(-odds))).astype(float)


def lightgbm_model(**parameters: Any) -> Any:
    values, labels = rows()
    names = parameters.pop("names", NAMES)
    flags = parameters.pop("categorical_feature", "auto")
    data = lightgbm.Dataset(values, labels, feature_name=names, categorical_feature=flags)
    fixed = {"objective": "binary", "num_leaves": 15, "verbosity": -1, "num_threads": 1, "deterministic": True}
    return lightgbm.train({**fixed, **parameters}, data, 40)


def xgboost_model(names: list[str] | None = None, **parameters: Any) -> bytes:
    values, labels = rows()
    data = xgboost.DMatrix(values, labels, feature_names=names)
    trained = xgboost.train({"objective": "binary:logistic", "max_depth": 5, "nthread": 1, **parameters}, data, 40)
    return bytes(trained.save_raw("json"))


@pytest.fixture
def rule_set() -> RuleSet:
    return compile_rule_set({"features.yaml": FEATURES})


@pytest.mark.parametrize("parameters", [{}, {"use_missing": False}, {"boost_from_average": False, "max_bin": 7}])
def test_a_lightgbm_model_scores_as_in_its_library(rule_set: RuleSet, parameters: dict[str, Any]) -> None:
    booster = lightgbm_model(**parameters)
    model = import_model(booster.model_to_string().encode(), rule_set, (), 500_000)
    values = np.concatenate([rows()[0], drawn_rows(model.trees, 4)])
    difference = sums_of(model.trees, values) / VALUE_ONE - booster.predict(values, raw_score=True)
    assert np.abs(difference).max() < 1e-9
    assert [given.name for given in model.inputs] == NAMES
    assert model.card["training"]["kind"] == "LightGBM"


@pytest.mark.parametrize("parameters", [{}, {"base_score": 0.1}, {"max_depth": 0, "grow_policy": "lossguide"}])
def test_an_xgboost_model_reaches_the_leaves_of_its_library(rule_set: RuleSet, parameters: dict[str, Any]) -> None:
    content = xgboost_model(NAMES, **parameters)
    model = import_model(content, rule_set, (), 500_000)
    booster = xgboost.Booster(model_file=bytearray(content))
    values = np.concatenate([rows()[0], drawn_rows(model.trees, 4)])
    margins = booster.predict(xgboost.DMatrix(values, feature_names=NAMES), output_margin=True)
    assert np.abs(sums_of(model.trees, values) / VALUE_ONE - margins).max() < 1e-5
    assert model.card["training"]["greatest_difference_from_library"] < 1e-9


@EXAMPLES
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_float32_threshold_divides_doubles_as_xgboost_does(threshold: float, drawn: float) -> None:
    limit = greatest_below(threshold)
    beside = [limit, math.nextafter(limit, math.inf), math.nextafter(limit, -math.inf), threshold, drawn]
    for value in (value for value in beside if abs(value) < 3e38):
        assert (value <= limit) == (np.float32(value) < np.float32(threshold))


def test_a_comparison_that_is_off_by_one_bit_would_be_found(rule_set: RuleSet) -> None:
    """Guard: drawn rows lie so close to thresholds that the import's own comparison can fail."""
    booster = lightgbm_model()
    trees = trees_of_lightgbm(booster)
    moved = trees._replace(threshold=np.nextafter(trees.threshold, -np.inf))
    values = drawn_rows(trees, 4)
    assert np.abs(sums_of(moved, values) / VALUE_ONE - booster.predict(values, raw_score=True)).max() > 1e-3


def test_inputs_may_be_renamed_and_are_refused_where_the_catalogue_lacks_them(rule_set: RuleSet) -> None:
    content = lightgbm_model(names=["a", "b", "c", "d"]).model_to_string().encode()
    with pytest.raises(LearningError, match="the model does not fit the rules: there is no field or feature 'a'"):
        import_model(content, rule_set, (), 500_000)
    assert [given.name for given in import_model(content, rule_set, NAMES, 500_000).inputs] == NAMES
    with pytest.raises(LearningError, match="compares input 3 of 3"):
        import_model(content, rule_set, NAMES[:3], 500_000)
    with pytest.raises(LearningError, match="does not name its inputs"):
        import_model(xgboost_model(), rule_set, (), 500_000)


def test_categorical_splits_are_refused() -> None:
    with pytest.raises(LearningError, match="categorical splits"):
        trees_of_lightgbm(lightgbm_model(categorical_feature=[3]))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"objective": "multiclass", "num_class": 2}, "several classes"),
        ({"objective": "regression"}, "objective is 'regression"),
        ({"zero_as_missing": True}, "takes 0 as missing"),
        ({"linear_tree": True}, "linear leaves"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averages its trees"),
        ({"sigmoid": 2.0}, "option 'sigmoid' is not 1"),
    ],
)
def test_a_lightgbm_model_that_the_engine_does_not_score_is_refused(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LearningError, match=sentence):
        trees_of_lightgbm(lightgbm_model(**parameters))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"objective": "reg:squarederror"}, "objective is 'reg:squarederror'"),
        ({"booster": "dart"}, "booster is 'dart'"),
    ],
)
def test_an_xgboost_model_that_the_engine_does_not_score_is_refused(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LearningError, match=sentence):
        trees_of_xgboost(xgboost_model(**parameters))


def test_other_files_are_refused(rule_set: RuleSet) -> None:
    with pytest.raises(LearningError, match="not a model that XGBoost saved as JSON"):
        import_model(b'{"learner": 3}', rule_set, (), 500_000)
    with pytest.raises(LearningError, match="not a model that LightGBM saved as text"):
        import_model(b"tree\n", rule_set, (), 500_000)


def test_onnx_gives_the_engines_sums_to_the_bit_on_any_number_of_threads(rule_set: RuleSet) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    imported = import_model(lightgbm_model().model_to_string().encode(), rule_set, (), 500_000)
    model = read_model(encode_model(imported))
    values = np.concatenate([rows()[0], drawn_rows(model.trees, 4)])
    wanted = sums_of(model.trees, values)
    for threads in (1, 4):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(onnx_bytes(model), options, providers=["CPUExecutionProvider"])
        [found] = session.run(None, {"inputs": values})
        assert found.dtype == np.float64
        assert (found[:, 0] * VALUE_ONE).astype(np.int64).tolist() == wanted.tolist()


def test_a_tree_that_is_a_single_leaf_is_exported() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    trees = trees_of_xgboost(xgboost_model(NAMES, base_score=0.25))  # the base score is such a tree
    check_trees(trees, 4)
    assert trees.feature[-1] == LEAF
    model = import_model(xgboost_model(NAMES, base_score=0.25), compile_rule_set({"features.yaml": FEATURES}), (), 1)
    session = onnxruntime.InferenceSession(onnx_bytes(model), providers=["CPUExecutionProvider"])
    values = drawn_rows(trees, 4)
    [found] = session.run(None, {"inputs": values})
    assert (found[:, 0] * VALUE_ONE).astype(np.int64).tolist() == sums_of(trees, values).tolist()
