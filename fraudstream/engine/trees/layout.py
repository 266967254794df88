"""Trees as the kernel reads them: a step from a node to its child is one comparison and one addition.

Children lie side by side, so that the next node is `child + (value > threshold)`. A leaf's child is itself and its
threshold is infinite: a walk that has arrived stays. A payment's values stand twice in the kernel's scratch row, first
with missing values as -inf, then as +inf; which of the two a node compares says where a missing value goes:

    column < inputs    missing → -inf → left          column >= inputs    missing → +inf → right
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from fraudstream.engine.arrays import Float64Array, Int32Array, Int64Array
from fraudstream.engine.trees.ensemble import LEAF, Trees

WALKED_TOGETHER: Final = 4  # trees, so that the processor does not wait for one step before it begins the next


class NodeTable(NamedTuple):
    """The nodes of all trees; shape (nodes,) unless noted. Not changed afterwards.

    `threshold`: float64, +inf of a leaf. `column`: of the scratch row; int32. `child`: the left one, the right one
    follows it; of a leaf itself; int32. `value`: as `Trees.value`; int64. `root`: int32, shape (a multiple of
    `WALKED_TOGETHER`,); trees of equal depth are neighbours, and single leaves of value 0 fill the end.
    """

    threshold: Float64Array
    column: Int32Array
    child: Int32Array
    value: Int64Array
    root: Int32Array


def node_table(trees: Trees, inputs: int) -> NodeTable:
    """The table of checked trees over `inputs` inputs."""
    depth = _depths(trees)
    ends = np.append(trees.root[1:], trees.nodes)
    deepest = [int(depth[start:end].max()) for start, end in zip(trees.root, ends, strict=True)]
    old = np.empty(trees.nodes, np.int64)  # the node at each place of the table
    roots, filled = [], 0
    for tree in np.argsort(deepest, kind="stable").tolist():
        roots.append(filled)
        filled = _place(trees, int(trees.root[tree]), old, filled)
    padding = -len(roots) % WALKED_TOGETHER
    place = np.empty(trees.nodes, np.int64)
    place[old] = np.arange(trees.nodes)
    leaf = trees.feature[old] == LEAF
    column = np.where(trees.missing_left[old], trees.feature[old], trees.feature[old] + inputs)
    child = np.where(leaf, np.arange(trees.nodes), place[np.where(leaf, 0, trees.left[old])])
    after = np.arange(trees.nodes, trees.nodes + padding)
    return NodeTable(
        threshold=np.append(np.where(leaf, np.inf, trees.threshold[old]), np.full(padding, np.inf)),
        column=np.append(np.where(leaf, 0, column), np.zeros(padding, np.int64)).astype(np.int32),
        child=np.append(child, after).astype(np.int32),
        value=np.append(trees.value[old], np.zeros(padding, np.int64)),
        root=np.append(np.array(roots, np.int64), after).astype(np.int32),
    )


def _depths(trees: Trees) -> Int64Array:
    """Steps from the root to each node: int64, shape (nodes,). Parents come before their children."""
    depth = np.zeros(trees.nodes, np.int64)
    for node in np.flatnonzero(trees.feature != LEAF).tolist():
        depth[trees.left[node]] = depth[trees.right[node]] = depth[node] + 1
    return depth


def _place(trees: Trees, root: int, old: Int64Array, filled: int) -> int:
    """Write the nodes of a tree to `old` from `filled` on, level by level, siblings side by side; returns the end."""
    old[filled] = root
    at, end = filled, filled + 1
    while at < end:
        node = int(old[at])
        if trees.feature[node] != LEAF:
            old[end], old[end + 1] = trees.left[node], trees.right[node]
            end += 2
        at += 1
    return end
