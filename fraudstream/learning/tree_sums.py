"""The sums that the engine's kernel gives for rows of a table."""

from __future__ import annotations

import numpy as np

from fraudstream.engine.arrays import Float64Array, Int64Array
from fraudstream.engine.trees.ensemble import Trees
from fraudstream.engine.trees.kernel import add_trees
from fraudstream.engine.trees.layout import node_table


def sums_of(trees: Trees, values: Float64Array) -> Int64Array:
    """The sum of the trees for each row, in 2**-40: int64, shape (n,). `values`: float64, shape (n, inputs), money in
    major units."""
    n, inputs = values.shape
    sums: Int64Array = np.empty(n, np.int64)
    add_trees(
        np.ascontiguousarray(values.T),
        np.ones(n),
        np.arange(inputs),
        np.zeros(inputs, np.uint8),
        *node_table(trees, inputs),
        np.empty(2 * inputs),
        sums,
    )
    return sums
