"""Bits of surprise: close to their definitions in real numbers, monotone, and total."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.surprisal import COUNT_MAX, bursts, rarities

_counts = st.integers(0, 10_000)


def rarity(part: float, whole: float) -> float:
    out = np.empty(1)
    rarities(np.array([part], np.float64), np.array([whole], np.float64), out)
    return float(out[0])


def burst(count: float, expected: float) -> float:
    out = np.empty(1)
    bursts(np.array([count], np.float64), np.array([expected], np.float64), out)
    return float(out[0])


@given(_counts, _counts)
def test_rarity_is_the_logarithm_of_the_share_with_this_payment_counted(part: int, whole: int) -> None:
    assert rarity(part, whole) == pytest.approx(max(math.log2(Fraction(whole + 1, part + 1)), 0.0), abs=1e-4)


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_a_larger_part_is_never_rarer(part: int, whole: int) -> None:
    assert rarity(part + 1, whole) <= rarity(part, whole)


def test_nothing_known_is_not_rare() -> None:
    assert [rarity(0, 0), rarity(0, 1), rarity(0, 1023), rarity(5, 3)] == [0.0, 1.0, 10.0, 0.0]


@given(st.integers(1, 500), st.floats(1e-3, 500))
def test_a_burst_is_never_more_surprising_than_its_poisson_probability(count: int, expected: float) -> None:
    """The bound of the probability lies above it, so the bits lie below."""
    logs = [k * math.log(expected) - expected - math.lgamma(k + 1) for k in range(count, count + 2_000)]
    top = max(logs)
    tail_bits = -(top + math.log(sum(math.exp(log - top) for log in logs))) / math.log(2)
    bits = burst(count, expected)
    assert bits <= max(tail_bits, 0.0) + 0.01
    if count > expected:
        exact = count * math.log2(count / expected) - (count - expected) / math.log(2)
        assert bits == pytest.approx(exact, abs=0.001 + count * 5e-5 + abs(count - expected) * 2e-5, rel=0.002)
    else:
        assert bits == 0.0


@given(st.integers(0, COUNT_MAX - 1), st.floats(1e-5, 1e5))
def test_one_payment_more_is_never_less_surprising(count: int, expected: float) -> None:
    assert burst(count + 1, expected) >= burst(count, expected) - count * 6e-5  # two logarithms, rounded down


def test_what_is_missing_or_not_expected_is_missing() -> None:
    answers = [burst(np.nan, 1), burst(1, np.nan), burst(3, 0), burst(3, -1), rarity(np.nan, 1), rarity(1, np.nan)]
    assert all(map(math.isnan, answers))


def test_extreme_numbers_have_finite_bits() -> None:
    answers = [burst(np.inf, 5e-324), burst(1e300, 1e300), burst(-1, 1), rarity(0, np.inf), rarity(-5, 1e300)]
    assert all(0.0 <= answer < 1e9 for answer in answers)
