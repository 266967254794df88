"""Decision trees in plain Python, node by node: the slow twin of `fraudstream.engine.trees`, and drawn ensembles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from fraudstream.engine.arrays import Float64Array
from fraudstream.engine.trees.ensemble import LEAF, SUM_MAX, Trees

CUTS = (-1e300, -2.5, -0.0, 0.0, 5e-324, 1.0, 2.0, 3.5, 1e300)  # thresholds; values lie on, between and beside them
VALUES = (*CUTS, 0.5, 2.0000000000000004, -math.inf, math.inf, math.nan)


class Walked(NamedTuple):
    """What a payment's values give: the sum, what each input adds, and what the average payment has."""

    total: int
    added: list[int]
    average: int


def walk(trees: Trees, values: Sequence[float]) -> Walked:
    """As `kernel.add_trees` and `attribute_to_inputs`, for one payment whose inputs are in their units already."""
    total, average, added = 0, 0, [0] * len(values)
    for root in trees.root.tolist():
        node = root
        average += int(trees.value[node])
        while trees.feature[node] != LEAF:
            value = values[trees.feature[node]]
            left = bool(trees.missing_left[node]) if math.isnan(value) else value <= trees.threshold[node]
            child = int(trees.left[node] if left else trees.right[node])
            added[trees.feature[node]] += int(trees.value[child]) - int(trees.value[node])
            node = child
        total += int(trees.value[node])
    return Walked(total, added, average)


class _Growing:
    """The nodes of an ensemble that is being drawn."""

    def __init__(self) -> None:
        self.rows: list[list[float]] = []  # feature, threshold, left, right, missing_left, value
        self.roots: list[int] = []

    def trees(self) -> Trees:
        feature, threshold, left, right, missing_left, value = zip(*self.rows, strict=True)
        return Trees(
            np.array(self.roots, np.int32),
            np.array(feature, np.int32),
            np.array(threshold, np.float64),
            np.array(left, np.int32),
            np.array(right, np.int32),
            np.array(missing_left, np.bool_),
            np.array(value, np.int64),
        )


@st.composite
def drawn_trees(draw: st.DrawFn, inputs: int) -> Trees:
    """Up to seven trees of up to six levels, of any shape, single leaves among them."""
    growing = _Growing()
    for _ in range(draw(st.integers(1, 7))):
        growing.roots.append(len(growing.rows))
        _grow(draw, growing, inputs, 6)
    return growing.trees()


def _grow(draw: st.DrawFn, growing: _Growing, inputs: int, levels: int) -> int:
    """Draw a node with all below it; returns its index."""
    at = len(growing.rows)
    value = draw(st.integers(-SUM_MAX // 16, SUM_MAX // 16))
    growing.rows.append([LEAF, math.nan, LEAF, LEAF, 0, value])
    if levels and draw(st.booleans()):
        left = _grow(draw, growing, inputs, levels - 1)
        right = _grow(draw, growing, inputs, levels - 1)
        feature, threshold = draw(st.integers(0, inputs - 1)), draw(st.sampled_from(CUTS))
        growing.rows[at] = [feature, threshold, left, right, draw(st.booleans()), value]
    return at


def drawn_payments(inputs: int) -> st.SearchStrategy[Float64Array]:
    """Values of up to 12 payments: float64, shape (inputs, n)."""
    columns = st.lists(st.lists(st.sampled_from(VALUES), min_size=inputs, max_size=inputs), min_size=1, max_size=12)
    return columns.map(lambda rows: np.array(rows, np.float64).T.copy())
