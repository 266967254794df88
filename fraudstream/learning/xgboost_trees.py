"""Trees of an XGBoost model, as the engine scores them: its float32 comparisons as comparisons of doubles.

XGBoost rounds a value to float32 and asks whether it is less than a float32 threshold. Rounding keeps order, so there
is a greatest double that rounds below the threshold: a double is at most that one exactly where XGBoost goes left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from fraudstream.engine.trees.ensemble import LEAF, Trees
from fraudstream.learning.errors import LearningError
from fraudstream.learning.lightgbm_trees import trees_of_rows


def trees_of_xgboost(content: bytes) -> Trees:
    """The trees of a model that XGBoost saved as JSON; their sum with its base score is log odds.

    Raises `LearningError` for what the engine does not score: several classes, categorical splits, other boosters.
    """
    try:
        learner = msgspec.json.decode(content)["learner"]
        objective, booster = learner["objective"]["name"], learner["gradient_booster"]
        parameters, name = learner["learner_model_param"], booster["name"]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise LearningError(f"not a model that XGBoost saved as JSON ({error!r}).") from error
    if objective not in ("binary:logistic", "binary:logitraw", "reg:logistic"):
        raise LearningError(f"the model's objective is '{objective}'. Train one with 'binary:logistic'.")
    if name != "gbtree":
        raise LearningError(f"the model's booster is '{name}'. Train one with 'gbtree'.")
    if int(parameters.get("num_class", "0")) > 1 or int(parameters.get("num_target", "1")) > 1:
        raise LearningError("the model has several classes or targets. Train one with 'binary:logistic'.")
    rows: list[tuple[int, float, int, int, bool, float]] = []
    roots = []
    for tree in booster["model"]["trees"]:
        roots.append(len(rows))
        _add(tree, 0, rows)
    base = _log_odds(parameters["base_score"], objective)
    roots.append(len(rows))
    rows.append((LEAF, 0.0, LEAF, LEAF, False, base))
    return trees_of_rows(roots, rows)


def greatest_below(threshold: float) -> float:
    """The greatest double that rounds to a float32 below `threshold`, a float32.

    >>> greatest_below(1.0) < 1.0, float(np.float32(greatest_below(1.0))) < 1.0
    (True, True)
    >>> float(np.float32(math.nextafter(greatest_below(1.0), 2.0)))
    1.0
    """
    limit = np.float32(threshold)
    before = np.nextafter(limit, np.float32(-np.inf))
    middle = (float(limit) + float(before)) / 2.0  # exact in double
    return middle if np.float32(middle) < limit else math.nextafter(middle, -math.inf)


def _log_odds(base_score: str, objective: str) -> float:
    """XGBoost keeps the base score as a probability and adds its log odds as float32; a list of one since 3.0."""
    base = float(base_score.strip("[]"))
    if objective == "binary:logitraw":
        return base
    if not 0.0 < base < 1.0:
        raise LearningError(f"the model's base score is {base}: no probability.")
    return float(-np.log(np.float32(1.0) / np.float32(base) - np.float32(1.0)))


def _add(tree: Mapping[str, Any], node: int, rows: list[tuple[int, float, int, int, bool, float]]) -> int:
    """Append a node and all below it; returns its index."""
    at = len(rows)
    if tree["left_children"][node] == -1:
        rows.append((LEAF, 0.0, LEAF, LEAF, False, float(np.float32(tree["split_conditions"][node]))))
        return at
    if tree.get("split_type", [0] * (node + 1))[node] != 0:
        raise LearningError("the model has categorical splits. Declare the categories as flags: {derive: kind == …}.")
    rows.append((LEAF, 0.0, LEAF, LEAF, False, 0.0))
    left, right = (_add(tree, tree[side][node], rows) for side in ("left_children", "right_children"))
    rows[at] = (
        int(tree["split_indices"][node]),
        greatest_below(float(np.float32(tree["split_conditions"][node]))),
        left,
        right,
        bool(tree["default_left"][node]),
        _mean(tree, node, rows, left, right),
    )
    return at


def _mean(
    tree: Mapping[str, Any],
    node: int,
    rows: list[tuple[int, float, int, int, bool, float]],
    left: int,
    right: int,
) -> float:
    """The mean of the leaves below by the weight that came there in training, from which contributions come."""
    weights = [float(tree["sum_hessian"][tree[side][node]]) for side in ("left_children", "right_children")]
    total = sum(weights)
    if not total > 0.0:
        weights, total = [1.0, 1.0], 2.0
    return (rows[left][5] * weights[0] + rows[right][5] * weights[1]) / total
