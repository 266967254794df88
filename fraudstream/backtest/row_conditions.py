"""`where` of a mapping: which rows of a batch are read at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.cells import Cells
from fraudstream.backtest.row_faults import BoolArray, ColumnError, RowFaults, as_mask
from fraudstream.backtest.sources import RowCondition
from fraudstream.backtest.text_columns import typed_text


def meet_all(cells: Cells, conditions: Sequence[RowCondition]) -> BoolArray:
    """Which rows meet every condition; bool, shape (n,)."""
    met = np.ones(cells.n, np.bool_)
    for condition in conditions:
        texts = cells.texts(condition.column, RowFaults(cells.n)).fill_null("")
        met &= as_mask(_test(texts, _as_written(condition, cells.column(condition.column))))
    return met


def _as_written(condition: RowCondition, column: Any) -> RowCondition:
    """The condition with its values as text of the column's type has them: `1.5` is 1.50 of a decimal column.

    Raises `ColumnError` for a value that the column cannot have.
    """

    def written(value: str) -> str:
        text = typed_text(value, column.type)
        if text is None:
            sentence = f"a column of {column.type} never holds {value!r}, which `where` looks for."
            raise ColumnError(condition.column, sentence)
        return text

    return msgspec.structs.replace(
        condition,
        equals=None if condition.equals is None else written(condition.equals),
        not_equals=None if condition.not_equals is None else written(condition.not_equals),
        one_of=None if condition.one_of is None else tuple(map(written, condition.one_of)),
        not_in=None if condition.not_in is None else tuple(map(written, condition.not_in)),
    )


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
