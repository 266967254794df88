"""The text of an id depends on the value and the column's type alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.backtest.text_columns import fractional, inexact, texts_of

IDS = [0, 7, 1001, 4111111111111111, 2**53 - 1]
TYPES = [pa.int64(), pa.uint64(), pa.float64(), pa.decimal128(38, 0), pa.decimal128(38, 4), pa.string()]


def typed(values: list[Any], kind: pa.DataType) -> Any:
    if pa.types.is_string(kind):
        return pa.array([None if value is None else str(value) for value in values], kind)
    if pa.types.is_decimal(kind):
        return pa.array([None if value is None else Decimal(value) for value in values], kind)
    return pa.array(values, kind)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_an_id_has_the_same_text_in_every_type(kind: pa.DataType) -> None:
    texts = texts_of(typed([*IDS, None], kind))
    assert texts.to_pylist() == [*map(str, IDS), None]


@given(st.lists(st.floats() | st.integers(-(2**53), 2**53).map(float) | st.none(), max_size=8))
def test_the_text_of_a_number_does_not_depend_on_its_neighbours(values: list[float | None]) -> None:
    together = texts_of(pa.array(values, pa.float64())).to_pylist()
    assert together == [texts_of(pa.array([value], pa.float64()))[0].as_py() for value in values]


def test_missing_values_are_null_in_every_type() -> None:
    assert texts_of(pa.array([float("nan"), None], pa.float32())).null_count == 2
    assert texts_of(pa.array(["", None])).null_count == 2
    assert texts_of(pa.array([None, None])).null_count == 2


@pytest.mark.parametrize(
    ("kind", "first_inexact"), [(pa.float64(), 2**53), (pa.float32(), 2**24), (pa.int64(), None)], ids=str
)
def test_whole_numbers_that_a_type_does_not_hold_exactly_are_found(
    kind: pa.DataType, first_inexact: int | None
) -> None:
    limit = first_inexact or 2**62
    found = inexact(pa.array([limit - 1, limit, -limit, None], pa.int64()).cast(kind, safe=False)).to_pylist()
    assert found == ([False, True, True, False] if first_inexact else [False] * 4)


def test_numbers_with_decimals_are_found() -> None:
    assert fractional(pa.array([1.0, 1.5, float("nan"), None])).to_pylist() == [False, True, False, False]
    assert fractional(pa.array([Decimal("1.00"), Decimal("1.50"), None])).to_pylist() == [False, True, False]
    assert fractional(pa.array(["1.5"])).to_pylist() == [False]


def test_a_type_without_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match="a column of list<item: int64> has no text"):
        texts_of(pa.array([[1]]))
