"""Odds in integers: close to the real ones, and monotone."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.fixed_log import ONE
from fraudstream.engine.learned_score.fixed_odds import (
    CERTAIN,
    log2_of_sum,
    points_of_log_odds,
    power_of_minus,
    probability,
)

bits = st.integers(-40 * ONE, 40 * ONE)


@given(bits, bits)
def test_the_logarithm_of_a_sum_is_off_by_less_than_four_units(a: int, b: int) -> None:
    larger, smaller = max(a, b) / ONE, min(a, b) / ONE
    assert abs(log2_of_sum(a, b) - ONE * (larger + math.log2(1 + 2 ** (smaller - larger)))) < 4


@given(bits)
def test_a_probability_is_close_to_the_real_one(log_odds: int) -> None:
    assert abs(probability(log_odds) / CERTAIN - 1 / (1 + 2 ** (-log_odds / ONE))) < 2e-6


@given(bits)
def test_a_probability_never_falls_with_the_odds(log_odds: int) -> None:
    assert probability(log_odds) <= probability(log_odds + 1)


@given(st.integers(0, 40 * ONE))
def test_a_power_never_rises(exponent: int) -> None:
    assert power_of_minus(exponent) >= power_of_minus(exponent + 1)


def test_powers_of_two_are_exact() -> None:
    assert [power_of_minus(k * ONE) for k in range(33)] == [CERTAIN >> k for k in range(33)]


def test_points_reach_from_none_to_all() -> None:
    points = np.zeros(3, np.int32)
    points_of_log_odds(np.array([-64 * ONE, 0, 64 * ONE]), 1_000_000, points)
    assert points.tolist() == [0, 500_000, 1_000_000]
