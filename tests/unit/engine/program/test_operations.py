"""Each operation on numbers is numpy's to the bit, for all pairs of extreme and of awkward numbers.

The bits of a NaN are not compared: no result depends on them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fraudstream.engine.arrays import Float64Array, UInt8Array
from fraudstream.engine.program.arithmetic import compute, to_minor_units
from fraudstream.engine.program.logic import compare
from fraudstream.engine.program.operations import (
    ABSOLUTE,
    ADD,
    BURST,
    DIVIDE,
    EQUAL,
    LESS,
    LESS_EQUAL,
    MAXIMUM,
    MINIMUM,
    MULTIPLY,
    NEGATIVE,
    QUOTIENT,
    RARITY,
    ROUND_DOWN,
    SHARE,
    SUBTRACT,
    UNEQUAL,
)
from fraudstream.engine.surprisal import bursts, rarities

EXTREME = [0.0, 1.0, 0.1, 0.5, 3.0, 100.0, 5e-324, 2.2e-308, 1e17, 2.0**53, 1e300, 1.7976931348623157e308, np.inf]
BITS = np.random.default_rng(1).integers(0, 1 << 64, 60, np.uint64).view(np.float64)
TENTHS = np.arange(1, 60) / 10  # whose quotients lie beside whole numbers
NUMBERS: Float64Array = np.concatenate([EXTREME, np.negative(EXTREME), [np.nan], BITS, TENTHS])


def in_pairs() -> tuple[Float64Array, Float64Array]:
    """Each number with each: float64, shape (pairs,)."""
    left, right = np.meshgrid(NUMBERS, NUMBERS)
    return left.ravel(), right.ravel()


def quotient(left: Float64Array, right: Float64Array) -> Float64Array:
    return left / np.where(right == 0.0, np.nan, right)


def rounded_down(left: Float64Array, step: Float64Array) -> Float64Array:
    step = np.where(step > 0.0, step, np.nan)
    rounded: Float64Array = np.floor_divide(left, step) * step
    return rounded


def share(left: Float64Array, _: Float64Array) -> Float64Array:
    return np.where(np.isnan(left), 0.0, np.minimum(np.maximum(left, 0.0), 1.0))


def bits(of: Callable[..., None]) -> Callable[[Float64Array, Float64Array], Float64Array]:
    """As the expression's node computes it."""

    def values(left: Float64Array, right: Float64Array) -> Float64Array:
        out: Float64Array = np.empty(len(left))
        of(left, right, out)
        return out

    return values


COMPUTED: dict[int, Callable[[Any, Any], Any]] = {
    ADD: operator.add,
    SUBTRACT: operator.sub,
    MULTIPLY: operator.mul,
    DIVIDE: operator.truediv,
    QUOTIENT: quotient,
    MINIMUM: np.minimum,
    MAXIMUM: np.maximum,
    ROUND_DOWN: rounded_down,
    ABSOLUTE: lambda left, _: np.abs(left),
    NEGATIVE: lambda left, _: -left,
    SHARE: share,
    RARITY: bits(rarities),
    BURST: bits(bursts),
}
COMPARED: dict[int, Callable[[Any, Any], Any]] = {
    LESS: operator.lt,
    LESS_EQUAL: operator.le,
    EQUAL: operator.eq,
    UNEQUAL: lambda left, right: (left < right) | (left > right),
}


def bits_of(values: Float64Array) -> list[int]:
    """The values to the bit, all NaNs alike."""
    bits: list[int] = np.where(np.isnan(values), np.nan, values).view(np.uint64).tolist()
    return bits


@pytest.mark.parametrize("operation", COMPUTED)
def test_a_number_is_as_numpy_computes_it(operation: int) -> None:
    left, right = in_pairs()
    out: Float64Array = np.empty(len(left))
    with np.errstate(all="ignore"):
        compute(operation, out, left, right)
        assert bits_of(out) == bits_of(COMPUTED[operation](left, right))


@pytest.mark.parametrize("operation", COMPARED)
def test_a_comparison_holds_where_numpy_says_so(operation: int) -> None:
    left, right = in_pairs()
    out: UInt8Array = np.empty(len(left), np.uint8)
    compare(operation, out, left, right)
    assert out.tolist() == COMPARED[operation](left, right).astype(np.uint8).tolist()


def test_minor_units_are_rounded_half_to_even() -> None:
    major = np.array([0.005, 0.015, 0.025, 2.5, 3.5, -0.005, 12.345])
    per_major = np.array([100.0, 100.0, 100.0, 1.0, 1.0, 100.0, 1000.0])
    out: Float64Array = np.empty(len(major))
    to_minor_units(out, major, per_major)
    assert bits_of(out) == bits_of(np.rint(major * per_major))
    assert out.tolist() == [0.0, 2.0, 2.0, 2.0, 4.0, -0.0, 12345.0]


def test_the_numbers_meet_what_a_plain_quotient_would_round_away() -> None:
    """Guard: for some pair the floor of the quotient is not what numpy's floor division gives."""
    left, right = in_pairs()
    with np.errstate(all="ignore"):
        plain, exact = np.floor(left / right), np.floor_divide(left, right)
    assert (plain[np.isfinite(plain)] != exact[np.isfinite(plain)]).any()
