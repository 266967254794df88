from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.backtest.score_thresholds import threshold
from fraudstream.engine.learned_score.calibration import Budget
from fraudstream.engine.trees.calibration import MILLION, logistic_table, points_of
from fraudstream.engine.trees.ensemble import VALUE_ONE, EnsembleError, fixed
from fraudstream.evaluation.ranking import area_under_roc, average_precision, weights_by_score
from fraudstream.learning.probability import platt, threshold_of_budget
from tests.property.profile import EXAMPLES


def test_the_curve_that_made_the_labels_is_found_again() -> None:
    random = np.random.default_rng(2)
    z = random.normal(-1.0, 2.0, 200_000)
    fraud = random.random(len(z)) < 1 / (1 + np.exp(-(0.6 * z - 1.5)))
    table = platt(fixed(z), fraud, np.ones(len(z)))
    at = np.array([-4.0, -1.0, 0.0, 2.0, 4.0])
    wanted = 1 / (1 + np.exp(-(0.6 * at - 1.5)))
    assert np.abs(points_of(fixed(at), table, MILLION) / MILLION - wanted).max() < 0.01


def test_genuine_payments_count_by_their_weight() -> None:
    random = np.random.default_rng(2)
    z = random.normal(-1.0, 2.0, 50_000)
    fraud = random.random(len(z)) < 1 / (1 + np.exp(-(z - 2)))
    kept = fraud | (random.random(len(z)) < 0.25)
    whole = platt(fixed(z), fraud, np.ones(len(z)))
    sampled = platt(fixed(z[kept]), fraud[kept], np.where(fraud[kept], 1.0, 4.0))
    at = fixed(np.array([-2.0, 0.0, 2.0]))
    difference = points_of(at, whole, MILLION) - points_of(at, sampled, MILLION)
    assert np.abs(difference).max() < 0.02 * MILLION


def test_without_frauds_the_sums_are_taken_as_log_odds() -> None:
    table = platt(fixed(np.zeros(3)), np.zeros(3, np.bool_), np.ones(3))
    assert points_of(np.array([0]), table, MILLION).tolist() == [500_000]


@pytest.mark.parametrize("slope", [0.0, -1.0, float("nan"), float("inf")])
def test_a_curve_that_does_not_rise_is_refused(slope: float) -> None:
    with pytest.raises(EnsembleError, match="slope"):
        logistic_table(slope)


@EXAMPLES
@given(
    st.lists(st.tuples(st.integers(-6, 6), st.sampled_from([1.0, 2.5])), min_size=1, max_size=40),
    st.floats(0.1, 30.0),
)
def test_a_budget_gives_the_lowest_threshold_that_keeps_it(rows: list[tuple[int, float]], a_day: float) -> None:
    sums = np.array([z for z, _ in rows]) * VALUE_ONE
    weight, table, days = np.array([w for _, w in rows]), logistic_table(), 2.0
    threshold = threshold_of_budget(sums, weight, table, days, a_day)
    points = points_of(sums, table, MILLION)
    assert weight[points >= threshold].sum() <= a_day * days
    lower = points[points < threshold]
    if len(lower):
        assert weight[points >= lower.max()].sum() > a_day * days


@EXAMPLES
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 3)), min_size=1, max_size=25))
def test_ranking_counts_pairs_and_precisions(rows: list[tuple[int, bool, int]]) -> None:
    score, fraud, weight = (np.array(column) for column in zip(*rows, strict=True))
    won = total = 0.0
    for s, f, w in rows:
        for t, g, v in rows:
            if f and not g:
                won, total = won + w * v * ((s > t) + (s == t) / 2), total + w * v
    by_score = weights_by_score(score, fraud, weight.astype(float))
    found = area_under_roc(*by_score)
    assert found == (None if not total else pytest.approx(won / total))
    frauds = sum(w for _, f, w in rows if f)
    summed = 0.0
    for at in sorted(set(score.tolist()), reverse=True):
        above = [(f, w) for s, f, w in rows if s >= at]
        precision = sum(w for f, w in above if f) / sum(w for _, w in above)
        summed += sum(w for s, f, w in rows if f and s == at) * precision
    precision_found = average_precision(*by_score)
    assert precision_found == (None if not frauds else pytest.approx(summed / frauds))


def test_a_model_and_a_score_come_to_the_same_threshold_of_one_budget() -> None:
    sums = np.array([-2, 3, 1, 1, 0, -5, 4]) * VALUE_ONE
    points = points_of(sums, logistic_table(), MILLION)
    for a_day in (1, 2, 3, 5, 7, 50):
        of_model = threshold_of_budget(sums, np.ones(len(sums)), logistic_table(), 1.0, a_day)
        of_score = threshold(
            Budget("alerts_per_day", a_day), points.astype(np.int32), np.full(len(sums), -1, np.int8), 1.0
        )
        assert of_model == of_score.points
