"""Trees of a LightGBM model, as the engine scores them; the same comparisons, leaf values rounded to 2**-40."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fraudstream.engine.trees.ensemble import LEAF, Trees, fixed
from fraudstream.learning.errors import LearningError


def trees_of_lightgbm(booster: Any) -> Trees:
    """The trees of a `lightgbm.Booster` with a binary objective; their sum is its raw score, log odds.

    Raises `LearningError` for what the engine does not score: several classes, categorical splits, linear leaves, zero
    as missing.
    """
    dump: Mapping[str, Any] = booster.dump_model()
    if dump.get("num_tree_per_iteration", 1) != 1:
        raise LearningError("the model has several classes. Train one with the objective 'binary'.")
    objective = str(dump.get("objective", ""))
    if objective.split(" ")[0] not in ("binary", "cross_entropy", "custom", "none", ""):
        raise LearningError(f"the model's objective is '{objective}'. Train one with the objective 'binary'.")
    if "sigmoid:" in objective and "sigmoid:1" not in objective.split():
        raise LearningError("the model's option 'sigmoid' is not 1, so that its sum is no log odds. Train it with 1.")
    if dump.get("average_output"):
        raise LearningError("the model averages its trees (boosting 'rf'). Train it with boosting 'gbdt'.")
    rows: list[tuple[int, float, int, int, bool, float]] = []
    roots = []
    for tree in dump["tree_info"]:
        roots.append(len(rows))
        _add(tree["tree_structure"], rows)
    return trees_of_rows(roots, rows)


def trees_of_rows(roots: list[int], rows: list[tuple[int, float, int, int, bool, float]]) -> Trees:
    """Arrays of nodes given as (feature, threshold, left, right, missing_left, value). Raises `LearningError`."""
    if not roots:
        raise LearningError("the model has no trees.")
    feature, threshold, left, right, missing_left, value = (np.array(column) for column in zip(*rows, strict=True))
    return Trees(
        np.array(roots, np.int32),
        feature.astype(np.int32),
        threshold.astype(np.float64),
        left.astype(np.int32),
        right.astype(np.int32),
        missing_left.astype(np.bool_),
        fixed(value.astype(np.float64)),
    )


def _add(node: Mapping[str, Any], rows: list[tuple[int, float, int, int, bool, float]]) -> int:
    """Append a node and all below it; returns its index."""
    at = len(rows)
    if "leaf_value" in node:
        if node.get("leaf_features") or node.get("leaf_coeff"):
            raise LearningError("the model has linear leaves (linear_tree). Train it without.")
        rows.append((LEAF, 0.0, LEAF, LEAF, False, float(node["leaf_value"])))
        return at
    rows.append((LEAF, 0.0, LEAF, LEAF, False, 0.0))
    left, right = _add(node["left_child"], rows), _add(node["right_child"], rows)
    if node["decision_type"] != "<=":
        raise LearningError("the model has categorical splits. Declare the categories as flags: {derive: kind == …}.")
    threshold = float(node["threshold"])
    rows[at] = (
        int(node["split_feature"]),
        threshold,
        left,
        right,
        _missing_left(node, threshold),
        float(node["internal_value"]),
    )
    return at


def _missing_left(node: Mapping[str, Any], threshold: float) -> bool:
    """Where a missing value goes. Where training saw none, LightGBM reads it as 0."""
    missing = node["missing_type"]
    if missing == "Zero":
        raise LearningError("the model takes 0 as missing (zero_as_missing). Train it without.")
    return bool(node["default_left"]) if missing == "NaN" else threshold >= 0.0
