"""Rows × trees → integer sums, and the contributions of each input to them.

A contribution follows the payment's path (Saabas, "Interpreting random forests", 2014): a step from a node to its
child adds the child's value less the node's to the input that was compared. Along a path these differences telescope
to the leaf's value less the root's, so in integers the contributions and the values of the roots add up to the sum.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.arrays import Float64Array, Int32Array, Int64Array, UInt8Array


@entry_point
def add_trees(
    number: Float64Array,
    minor_per_major: Float64Array,
    source: Int64Array,
    is_money: UInt8Array,
    threshold: Float64Array,
    column: Int32Array,
    child: Int32Array,
    value: Int64Array,
    root: Int32Array,
    scratch: Float64Array,
    sums: Int64Array,
) -> None:
    """Write the sum of all trees for each of `n` payments to `sums`: int64, shape (n,), in 2**-40.

    `number`: float64, shape (rows, n), NaN missing. `source`: the row of each input; int64, shape (inputs,).
    `is_money`: 1 for an input in minor units, which is divided by `minor_per_major`, float64, shape (n,); uint8, shape
    (inputs,). The next five: of a `NodeTable`. `scratch`: float64, shape (2 * inputs,).
    """
    for i in range(len(sums)):
        _read_inputs(number, minor_per_major, source, is_money, scratch, i)
        total = np.int64(0)
        for at in range(0, len(root), 4):  # WALKED_TOGETHER
            a, b, c, d = root[at], root[at + 1], root[at + 2], root[at + 3]
            walking = True
            while walking:
                next_a = child[a] + np.int32(scratch[column[a]] > threshold[a])
                next_b = child[b] + np.int32(scratch[column[b]] > threshold[b])
                next_c = child[c] + np.int32(scratch[column[c]] > threshold[c])
                next_d = child[d] + np.int32(scratch[column[d]] > threshold[d])
                walking = next_a != a or next_b != b or next_c != c or next_d != d
                a, b, c, d = next_a, next_b, next_c, next_d
            total += value[a] + value[b] + value[c] + value[d]
        sums[i] = total


@entry_point
def attribute_to_inputs(
    number: Float64Array,
    minor_per_major: Float64Array,
    source: Int64Array,
    is_money: UInt8Array,
    threshold: Float64Array,
    column: Int32Array,
    child: Int32Array,
    value: Int64Array,
    root: Int32Array,
    scratch: Float64Array,
    rows: Int64Array,
    contributions: Int64Array,
) -> None:
    """Write what each input adds to the sum of some payments: int64, shape (inputs + 1, len(rows)), in 2**-40.

    The last row of `contributions` is the sum of the roots' values, equal for all payments. Each column adds up to the
    payment's sum. `rows`: indices of payments; int64. The others: as for `add_trees`.
    """
    inputs = len(source)
    for k in range(len(rows)):
        _read_inputs(number, minor_per_major, source, is_money, scratch, rows[k])
        for f in range(inputs + 1):
            contributions[f, k] = 0
        for at in range(len(root)):
            node = root[at]
            contributions[inputs, k] += value[node]
            following = child[node] + np.int32(scratch[column[node]] > threshold[node])
            while following != node:
                f = column[node] if column[node] < inputs else column[node] - inputs
                contributions[f, k] += value[following] - value[node]
                node = following
                following = child[node] + np.int32(scratch[column[node]] > threshold[node])


@jit
def _read_inputs(
    number: Float64Array,
    minor_per_major: Float64Array,
    source: Int64Array,
    is_money: UInt8Array,
    scratch: Float64Array,
    i: int,
) -> None:
    """The inputs of payment `i` as `layout` says: missing ones as -inf, then all again, missing ones as +inf."""
    inputs = len(source)
    for f in range(inputs):
        found = number[source[f], i]
        if is_money[f] == 1:
            found = found / minor_per_major[i]
        if np.isnan(found):
            scratch[f], scratch[inputs + f] = -np.inf, np.inf
        else:
            scratch[f], scratch[inputs + f] = found, found
