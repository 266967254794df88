"""A model as ONNX, for programs that score elsewhere: the operator `TreeEnsemble` with doubles.

Its output is the sum in log odds. Leaf values are multiples of 2**-40, so a sum of doubles is exact while it stays
below 2**13: any runtime that adds doubles, in any order, on any number of threads, gives the engine's sum to the bit.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from fraudstream.engine.trees.ensemble import LEAF, VALUE_ONE, Trees
from fraudstream.engine.trees.model import Model
from fraudstream.learning.errors import library

INPUT: Final = "inputs"  # double, shape (n, inputs), NaN missing; money in major units, durations in ms, flags 0 or 1
OUTPUT: Final = "log_odds"  # double, shape (n, 1)

_TREE_OPSET: Final = 5  # of ai.onnx.ml: the first with double sums
_SUM, _NO_TRANSFORM, _AT_MOST = 1, 0, 0


def onnx_bytes(model: Model) -> bytes:
    """The ONNX file of a model. Raises `LearningError` if onnx is not installed."""
    helper, kinds = library("onnx.helper"), library("onnx").TensorProto
    node = helper.make_node(
        "TreeEnsemble", [INPUT], [OUTPUT], domain="ai.onnx.ml", **_attributes(model.trees, helper, kinds)
    )
    inputs = helper.make_tensor_value_info(INPUT, kinds.DOUBLE, ["n", len(model.inputs)])
    outputs = helper.make_tensor_value_info(OUTPUT, kinds.DOUBLE, ["n", 1])
    graph = helper.make_graph([node], "fraudstream", [inputs], [outputs])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", _TREE_OPSET)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="fraudstream")
    helper.set_model_props(made, {"inputs": ",".join(given.name for given in model.inputs)})
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def _attributes(trees: Trees, helper: Any, kinds: Any) -> dict[str, Any]:
    """Nodes and leaves in lists of their own; a tree that is a single leaf gets a node with that leaf on both sides."""
    leaf = trees.feature == LEAF
    number = np.where(leaf, np.cumsum(leaf) - 1, np.cumsum(~leaf) - 1)  # of each node in its list
    inner = np.flatnonzero(~leaf)
    left, right = trees.left[inner], trees.right[inner]
    lone = trees.root[leaf[trees.root]]
    roots = number[trees.root]
    roots[leaf[trees.root]] = len(inner) + np.arange(len(lone))
    none = np.zeros(len(lone), np.int64)

    def both(of_inner: Any, of_lone: Any) -> list[int]:
        return [int(value) for value in np.concatenate([of_inner, of_lone])]

    splits = np.concatenate([trees.threshold[inner], np.zeros(len(lone))])
    weights = trees.value[leaf] / VALUE_ONE
    return {
        "n_targets": 1,
        "aggregate_function": _SUM,
        "post_transform": _NO_TRANSFORM,
        "tree_roots": [int(root) for root in roots],
        "nodes_featureids": both(trees.feature[inner], none),
        "nodes_splits": helper.make_tensor("nodes_splits", kinds.DOUBLE, (len(splits),), splits.tolist()),
        "nodes_modes": helper.make_tensor("nodes_modes", kinds.UINT8, (len(splits),), [_AT_MOST] * len(splits)),
        "nodes_truenodeids": both(number[left], number[lone]),
        "nodes_trueleafs": both(leaf[left], none + 1),
        "nodes_falsenodeids": both(number[right], number[lone]),
        "nodes_falseleafs": both(leaf[right], none + 1),
        "nodes_missing_value_tracks_true": both(trees.missing_left[inner], none),
        "leaf_targetids": [0] * len(weights),
        "leaf_weights": helper.make_tensor("leaf_weights", kinds.DOUBLE, (len(weights),), weights.tolist()),
    }
