"""`where` of a mapping: which rows of a batch are read at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.cells import Cells
from fraudstream.backtest.row_faults import BoolArray, RowFaults, as_mask
from fraudstream.backtest.sources import RowCondition


def meet_all(cells: Cells, conditions: Sequence[RowCondition]) -> BoolArray:
    """Which rows meet every condition; bool, shape (n,)."""
    met = np.ones(cells.n, np.bool_)
    for condition in conditions:
        texts = cells.texts(condition.column, RowFaults(cells.n)).fill_null("")
        met &= as_mask(_test(texts, condition))
    return met


def _test(texts: Any, condition: RowCondition) -> Any:
    if condition.starting_with is not None:
        return pc.starts_with(texts, condition.starting_with)
    if condition.matches is not None:
        return pc.match_substring_regex(texts, condition.matches)
    excluded = condition.not_in if condition.equals is None and condition.one_of is None else None
    if condition.not_equals is not None:
        excluded = (condition.not_equals,)
    if excluded is not None:
        return pc.invert(_among(texts, excluded))
    return _among(texts, condition.one_of or (condition.equals or "",))


def _among(texts: Any, values: tuple[str, ...]) -> Any:
    return pc.is_in(texts, value_set=pa.array(values, pa.string()))
