"""How much a condition lacks to be true: 0 where it is, a share of the threshold where a quantity missed one, else
infinite.

The shortfall of `and` is that of its worst part, of `or` that of its best part. A comparison of text, of true and
false, with a missing value or with a threshold of zero has no distance: its shortfall is 0 or infinite.

The robustness of signal temporal logic, relative to the threshold. Source: Donzé and Maler, "Robust Satisfaction of
Temporal Logic over Real-Valued Signals", FORMATS 2010, LNCS 6246.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import numpy as np

from fraudstream.engine.expression.columns import ColumnSource
from fraudstream.engine.expression.condition_nodes import All, AnyOf, Not, QuantityComparison
from fraudstream.engine.expression.nodes import Condition


def shortfall(condition: Condition, columns: ColumnSource, *, negated: bool = False) -> Any:
    """float64, shape (n,) or a scalar. `negated`: what the condition lacks to be false."""
    match condition:
        case All(parts) | AnyOf(parts):
            worst = isinstance(condition, All) != negated
            return reduce(
                np.maximum if worst else np.minimum, [shortfall(part, columns, negated=negated) for part in parts]
            )
        case Not(part):
            return shortfall(part, columns, negated=not negated)
    holds = condition.false(columns) if negated else condition.true(columns)
    return np.where(holds, 0.0, _gap(condition, columns, negated))


def _gap(condition: Condition, columns: ColumnSource, negated: bool) -> Any:
    if not isinstance(condition, QuantityComparison):
        return np.inf
    asked = condition.when_false if negated else condition.when_true
    value, threshold = condition.left.values(columns), condition.right.values(columns)
    if asked in (operator.gt, operator.ge):
        gap = threshold - value
    elif asked in (operator.lt, operator.le):
        gap = value - threshold
    else:
        return np.inf
    share = gap / np.abs(threshold)
    return np.where(np.isfinite(share), share, np.inf)
