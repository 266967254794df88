"""An ensemble of binary decision trees as arrays, and what is checked before any of them is used.

Compiled code follows the indices in these arrays without bounds checks, so arrays from a file are checked here first.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from fraudstream.engine.arrays import BoolArray, Float64Array, Int32Array, Int64Array

VALUE_BITS: Final = 40
VALUE_ONE: Final = 1 << VALUE_BITS  # leaf values count 2**-40: 500 rounded leaves are off by less than 3e-10 together
LEAF: Final = -1

TREES_MAX: Final = 10_000
NODES_MAX: Final = 2_000_000
INPUTS_MAX: Final = 1_000
SUM_MAX: Final = 1 << 60  # of the greatest absolute values of all trees: no sum overflows


class EnsembleError(ValueError):
    """Arrays that are no ensemble; the sentence says which array is wrong, and where."""


class Trees(NamedTuple):
    """The nodes of all trees, one tree after the other, each beginning with its root and each node before its children.

    `root`: index of each tree's root, int32, shape (trees,). The others have shape (nodes,). `feature`: number of the
    input that is compared, `LEAF` for a leaf; int32. `threshold`: float64; a payment goes to `left` if its value is at
    most the threshold, else to `right`; int32, indices of nodes. `missing_left`: where a payment without the value
    goes; bool. `value`: in 2**-40; of a leaf what it adds, of another node the mean of its leaves by the payments that
    came there in training, from which contributions are computed; int64.
    """

    root: Int32Array
    feature: Int32Array
    threshold: Float64Array
    left: Int32Array
    right: Int32Array
    missing_left: BoolArray
    value: Int64Array

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.feature)


def check_trees(trees: Trees, inputs: int) -> None:
    """Check that the arrays are trees over `inputs` inputs. Raises `EnsembleError`.

    Every node but a root is the child of one node before it in the same tree, so there are no cycles and no strays.
    """
    _check_sizes(trees, inputs)
    _check_roots(trees)
    inner = np.flatnonzero(trees.feature != LEAF)
    if len(inner):
        _check_inner_nodes(trees, inner, inputs)
    _check_children(trees, inner)
    tree = tree_of_node(trees)
    greatest = np.zeros(len(trees.root), np.int64)
    if (np.abs(trees.value) > SUM_MAX).any() or (trees.value == np.iinfo(np.int64).min).any():
        raise EnsembleError(f"a value is beyond 2**60 at node {int(np.argmax(np.abs(trees.value)))}.")
    np.maximum.at(greatest, tree, np.abs(trees.value))
    if sum(greatest.tolist()) > SUM_MAX:
        raise EnsembleError("the values of all trees together are beyond 2**60: their sum could overflow.")


def tree_of_node(trees: Trees) -> Int64Array:
    """The number of the tree that each node belongs to: int64, shape (nodes,)."""
    return np.searchsorted(trees.root, np.arange(trees.nodes), side="right").astype(np.int64) - 1


def fixed(values: Float64Array) -> Int64Array:
    """Values in 2**-40, rounded half to even: int64. Raises `EnsembleError` for a value that is not finite or beyond
    2**20.

    >>> fixed(np.array([0.5, -2.0])).tolist()
    [549755813888, -2199023255552]
    """
    if not np.isfinite(values).all() or (np.abs(values) > 2.0**20).any():
        raise EnsembleError("the values of leaves must be finite, and at most 2**20 away from 0.")
    return np.rint(values * float(VALUE_ONE)).astype(np.int64)


def _check_sizes(trees: Trees, inputs: int) -> None:
    if not 1 <= inputs <= INPUTS_MAX:
        raise EnsembleError(f"{inputs} inputs: an ensemble has 1 to {INPUTS_MAX:,}.")
    if not 1 <= len(trees.root) <= TREES_MAX:
        raise EnsembleError(f"{len(trees.root):,} trees: an ensemble has 1 to {TREES_MAX:,}.")
    if not 1 <= trees.nodes <= NODES_MAX:
        raise EnsembleError(f"{trees.nodes:,} nodes: an ensemble has 1 to {NODES_MAX:,}.")
    for name, array in trees._asdict().items():
        if name != "root" and array.shape != (trees.nodes,):
            raise EnsembleError(f"'{name}' has {len(array):,} entries for {trees.nodes:,} nodes.")


def _check_roots(trees: Trees) -> None:
    rising = trees.root[0] == 0 and (np.diff(trees.root) > 0).all() and trees.root[-1] < trees.nodes
    if not rising:
        raise EnsembleError("'root' must begin with 0, rise, and stay below the number of nodes.")


def _check_inner_nodes(trees: Trees, inner: Int64Array, inputs: int) -> None:
    if (trees.feature < LEAF).any() or (trees.feature >= inputs).any():
        at = int(np.flatnonzero((trees.feature < LEAF) | (trees.feature >= inputs))[0])
        raise EnsembleError(f"node {at} compares input {int(trees.feature[at])} of {inputs}.")
    if not (finite := np.isfinite(trees.threshold[inner])).all():
        at = int(inner[np.flatnonzero(~finite)[0]])
        raise EnsembleError(f"the threshold of node {at} is {trees.threshold[at]}, which is not finite.")


def _check_children(trees: Trees, inner: Int64Array) -> None:
    """Each node but the roots is the child of exactly one node, which is before it and in the same tree."""
    ends = np.append(trees.root[1:], trees.nodes)[tree_of_node(trees)[inner]]
    parents = np.zeros(trees.nodes, np.int64)
    for name, child in (("left", trees.left[inner]), ("right", trees.right[inner])):
        outside = (child <= inner) | (child >= ends)
        if outside.any():
            at = int(np.flatnonzero(outside)[0])
            raise EnsembleError(f"'{name}' of node {int(inner[at])} is {int(child[at])}: not below it in its tree.")
        np.add.at(parents, child, 1)
    parents[trees.root] += 1
    if (parents != 1).any():
        at = int(np.flatnonzero(parents != 1)[0])
        raise EnsembleError(f"node {at} is the child of {int(parents[at])} nodes; each has one parent.")
