"""Training of the trees with LightGBM: the same rows give the same trees, on any number of threads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fraudstream.engine.arrays import BoolArray
from fraudstream.engine.trees.ensemble import Trees
from fraudstream.learning.errors import LearningError, library
from fraudstream.learning.lightgbm_trees import trees_of_lightgbm
from fraudstream.learning.sampling import Rows


@dataclasses.dataclass(frozen=True)
class Boosting:
    """How trees are grown. The defaults did well on four public sets with one configuration."""

    trees: int = 500
    leaves: int = 31
    learning_rate: float = 0.03
    rows_in_leaf_min: int = 20
    inputs_share: float = 0.5
    l2: float = 5.0
    seed: int = 1

    @property
    def parameters(self) -> Mapping[str, Any]:
        """For LightGBM."""
        return {
            "objective": "binary",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.rows_in_leaf_min,
            "min_sum_hessian_in_leaf": 1e-3,
            "feature_fraction": self.inputs_share,
            "lambda_l2": self.l2,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


def varying_inputs(rows: Rows) -> BoolArray:
    """Which inputs have more than one value, missing being one: bool, shape (inputs,)."""
    values = rows.values
    if not len(values):
        return np.zeros(values.shape[1], np.bool_)
    missing = np.isnan(values)
    differs = ((values != values[0]) & ~missing & ~missing[0]).any(axis=0)
    return np.asarray(differs | (missing.any(axis=0) & ~missing.all(axis=0)))


def grow(rows: Rows, inputs: Sequence[str], boosting: Boosting, threads: int = 1) -> Trees:
    """Trees that tell frauds from genuine payments; their sum is log odds. Raises `LearningError`.

    `inputs`: names of the columns, of which each varies. `threads`: do not change the trees.
    """
    if len(rows.fraud) == 0 or rows.fraud.all() or not rows.fraud.any():
        kind = "genuine payment" if rows.fraud.any() else "fraud"
        raise LearningError(f"the payments to learn from hold no {kind} with a label. Choose a longer period.")
    lightgbm = library("lightgbm")
    numbered = [f"f{number}" for number in range(len(inputs))]  # LightGBM refuses some characters in names
    data = lightgbm.Dataset(rows.values, rows.fraud.astype(np.float64), weight=rows.weight, feature_name=numbered)
    return trees_of_lightgbm(lightgbm.train({**boosting.parameters, "num_threads": threads}, data, boosting.trees))
