"""Models that LightGBM or XGBoost trained elsewhere, as model artefacts; compared with their library on drawn rows.

Half of the values of a drawn row lie on a threshold of the model or right beside it, where a wrong comparison shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from fraudstream.engine.arrays import Float64Array
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.trees.calibration import logistic_table
from fraudstream.engine.trees.ensemble import LEAF, VALUE_ONE, EnsembleError, Trees, check_trees
from fraudstream.engine.trees.inputs import InputError, model_inputs
from fraudstream.engine.trees.model import Model
from fraudstream.learning.card import INTENDED_USE, splits_by_input
from fraudstream.learning.errors import LearningError, library
from fraudstream.learning.lightgbm_trees import trees_of_lightgbm
from fraudstream.learning.tree_sums import sums_of
from fraudstream.learning.xgboost_trees import trees_of_xgboost

ROWS_DRAWN: Final = 1_000
DIFFERENCE_MAX: Final = 1e-9  # in log odds
MARGIN_DIFFERENCE_MAX: Final = 1e-3  # XGBoost adds its leaves in float32

_READ_AS_ZERO: Final = 1.1e-35  # LightGBM reads such values as 0; the engine compares them, but has none
_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


class Trained(NamedTuple):
    """A model of a library. `names`: of its inputs, empty if it has none. `greatest_difference`: in log odds, between
    the trees' sums and the library's on drawn rows."""

    kind: str
    trees: Trees
    names: tuple[str, ...]
    greatest_difference: float


def import_model(content: bytes, rule_set: RuleSet, inputs: Sequence[str], threshold_millionths: int) -> Model:
    """The model of a LightGBM text file or an XGBoost JSON file, for a rule set. Raises `LearningError`.

    `inputs`: names of the rule set in the order of the model's features; empty: the model's own names. The probability
    is the logistic curve of its sum. Amounts are in major units, durations in ms.
    """
    trained = _of_xgboost(content) if content.lstrip()[:1] == b"{" else _of_lightgbm(content)
    if trained.greatest_difference > DIFFERENCE_MAX:
        raise LearningError(
            f"the imported trees differ from {trained.kind} by {trained.greatest_difference:.2g} on drawn rows; at "
            f"most {DIFFERENCE_MAX:.0e} is allowed. Report this with the model."
        )
    names = tuple(inputs) or trained.names
    if not names:
        raise LearningError("the model does not name its inputs. Name them in order: --inputs amount,account.…")
    try:
        check_trees(trained.trees, len(names))
        found = model_inputs(names, rule_set.catalogue, rule_set.base_score, rule_set.base_currency)
    except InputError as error:
        raise LearningError(f"the model does not fit the rules: {error}") from error
    except EnsembleError as error:
        raise LearningError(f"the model can't be scored with {len(names)} inputs: {error}") from error
    return Model(found, trained.trees, logistic_table(), threshold_millionths, _card(trained, names, rule_set))


def drawn_rows(trees: Trees, inputs: int) -> Float64Array:
    """`ROWS_DRAWN` rows, the same each time: float64, shape (rows, inputs), values within float32's range."""
    random = np.random.default_rng(7)
    values = random.normal(scale=10.0, size=(ROWS_DRAWN, inputs)) ** 3
    for column in range(inputs):
        thresholds = trees.threshold[trees.feature == column]
        if len(thresholds):
            near = random.choice(thresholds, ROWS_DRAWN)
            near = np.where(random.random(ROWS_DRAWN) < 0.5, near, np.nextafter(near, np.inf))
            values[:, column] = np.where(random.random(ROWS_DRAWN) < 0.5, near, values[:, column])
    values[np.abs(values) <= _READ_AS_ZERO] = 0.0
    values[random.random(values.shape) < 0.05] = np.nan
    return np.clip(values, -_FLOAT32_MAX, _FLOAT32_MAX)


def _of_lightgbm(content: bytes) -> Trained:
    lightgbm = library("lightgbm")
    try:
        booster = lightgbm.Booster(model_str=content.decode())
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
        raise LearningError(f"not a model that LightGBM saved as text, nor XGBoost as JSON ({error}).") from error
    trees, inputs = _sound(trees_of_lightgbm(booster)), int(booster.num_feature())
    rows = drawn_rows(trees, inputs)
    expected = booster.predict(rows, raw_score=True, num_threads=1)
    names = tuple(booster.feature_name())
    numbered = all(name == f"Column_{number}" for number, name in enumerate(names))
    return Trained("LightGBM", trees, () if numbered else names, _difference(trees, rows, expected))


def _of_xgboost(content: bytes) -> Trained:
    xgboost = library("xgboost")
    trees = _sound(trees_of_xgboost(content))
    booster = xgboost.Booster(model_file=bytearray(content))
    rows = drawn_rows(trees, int(booster.num_features()))
    data = xgboost.DMatrix(rows, feature_names=booster.feature_names)
    # The margin is a float32 sum: it tells only whether trees and base score are all there. Leaves are exact.
    margins = booster.predict(data, output_margin=True)
    if (difference := _difference(trees, rows, margins)) > MARGIN_DIFFERENCE_MAX * (1.0 + float(np.abs(margins).max())):
        return Trained("XGBoost", trees, (), difference)
    leaves = booster.predict(data, pred_leaf=True).reshape(len(rows), -1).astype(np.int64)
    stored = msgspec.json.decode(content)["learner"]["gradient_booster"]["model"]["trees"]
    expected = np.full(len(rows), trees.value[-1] / VALUE_ONE)  # the base score
    for number, tree in enumerate(stored):
        weights = np.array(tree["split_conditions"], np.float64).astype(np.float32).astype(np.float64)
        expected += weights[leaves[:, number]]
    return Trained("XGBoost", trees, tuple(booster.feature_names or ()), _difference(trees, rows, expected))


def _sound(trees: Trees) -> Trees:
    """The trees, checked before they are scored. Raises `LearningError`."""
    try:
        check_trees(trees, max(1, int(trees.feature.max()) + 1))
    except EnsembleError as error:
        raise LearningError(f"the model can't be scored: {error}") from error
    return trees


def _difference(trees: Trees, rows: Float64Array, expected: Any) -> float:
    """The greatest difference between the sums of the trees and a library's, in log odds."""
    return float(np.abs(sums_of(trees, rows) / VALUE_ONE - expected).max())


def _card(trained: Trained, names: Sequence[str], rule_set: RuleSet) -> dict[str, Any]:
    return {
        "intended_use": INTENDED_USE,
        "limits": [
            "It was trained elsewhere: data, labels and metrics are not known here. Evaluate it before it decides.",
            "Its probability is the logistic curve of its sum; it was not calibrated here.",
        ],
        "rule_set": rule_set.digest,
        "training": {
            "kind": trained.kind,
            "trees": len(trained.trees.root),
            "leaves": int((trained.trees.feature == LEAF).sum()),
            "greatest_difference_from_library": float(f"{trained.greatest_difference:.1g}"),
        },
        "inputs": list(names),
        "splits_by_input": splits_by_input(trained.trees, names),
    }
