"""Trees: the kernel against a walk in plain Python, in any batches and threads; points against exact fractions.

Values lie on thresholds, beside them, at infinity, and are missing: that is where a layout goes wrong.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.arrays import Float64Array, Int64Array
from fraudstream.engine.score import NO_SCORE
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.trees.calibration import MILLION, Calibration, check_calibration, logistic_table, points_of
from fraudstream.engine.trees.ensemble import EnsembleError, Trees, check_trees
from fraudstream.engine.trees.model import Model, ModelError, ModelInput, encode_model, read_model
from fraudstream.engine.trees.scorer import SHOWN_MAX, ModelScorer, ModelScores
from tests.property.profile import EXAMPLES
from tests.property.slow_trees import drawn_payments, drawn_trees, walk

INPUTS = 13  # more than an alert shows one by one


def scorer_of(trees: Trees, money: tuple[int, ...] = ()) -> ModelScorer:
    inputs = tuple(ModelInput(f"f{k}", "MONEY" if k in money else "NUMBER", "{}") for k in range(INPUTS))
    model = Model(inputs, trees, logistic_table(2.0**-15), 500_000, {})
    return ModelScorer("drawn", "", model, NO_SCORE, model.threshold_millionths)


def scores_of(scorer: ModelScorer, number: Float64Array) -> ModelScores:
    exponents = np.full(number.shape[1], 100.0)
    return ModelScores(scorer, number, exponents, np.arange(INPUTS))


@EXAMPLES
@given(drawn_trees(INPUTS), drawn_payments(INPUTS))
def test_sums_and_contributions_are_those_of_a_walk_in_plain_python(trees: Trees, number: Float64Array) -> None:
    check_trees(trees, INPUTS)
    scores = scores_of(scorer_of(trees), number)
    added = scores.sum_contributions(np.arange(number.shape[1]))
    walked = [walk(trees, row) for row in number.T.tolist()]
    assert scores.sums.tolist() == [found.total for found in walked]
    assert added.T.tolist() == [[*found.added, found.average] for found in walked]
    assert (added.sum(axis=0) == scores.sums).all()


@EXAMPLES
@given(drawn_trees(INPUTS), drawn_payments(INPUTS), st.integers(1, 12))
def test_batches_and_threads_change_no_bit(trees: Trees, number: Float64Array, size: int) -> None:
    scorer = scorer_of(trees)
    whole = scores_of(scorer, number)
    starts = range(0, number.shape[1], size)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda at: scores_of(scorer, number[:, at : at + size].copy()), starts))
    assert np.concatenate([part.sums for part in parts]).tolist() == whole.sums.tolist()
    assert np.concatenate([part.points for part in parts]).tolist() == whole.points.tolist()


@EXAMPLES
@given(drawn_trees(INPUTS), drawn_payments(INPUTS))
def test_the_parts_of_an_alert_add_up_to_its_points(trees: Trees, number: Float64Array) -> None:
    scores = scores_of(scorer_of(trees), number)
    rows = np.arange(number.shape[1])[::-1]
    parts = scores.contributions(rows)
    assert parts.shape == (INPUTS + 2, len(rows))
    assert parts.sum(axis=0).tolist() == scores.points[rows].tolist()
    assert (np.count_nonzero(parts[1:-1], axis=0) <= SHOWN_MAX).all()


def test_amounts_are_compared_in_major_units() -> None:
    trees = Trees(
        np.array([0], np.int32),
        np.array([0, -1, -1], np.int32),
        np.array([12.5, 0, 0]),
        np.array([1, -1, -1], np.int32),
        np.array([2, -1, -1], np.int32),
        np.zeros(3, np.bool_),
        np.array([0, 1, 2]),
    )
    number = np.zeros((INPUTS, 2))
    number[0] = [1250, 1251]
    assert scores_of(scorer_of(trees, money=(0,)), number).sums.tolist() == [1, 2]
    assert scores_of(scorer_of(trees), number).sums.tolist() == [2, 2]


@st.composite
def tables(draw: st.DrawFn) -> Calibration:
    knots = draw(st.lists(st.integers(-(1 << 40), 1 << 40), min_size=2, max_size=9, unique=True))
    heights = draw(st.lists(st.integers(0, MILLION), min_size=len(knots), max_size=len(knots)))
    return Calibration(np.array(sorted(knots)), np.array(sorted(heights)))


@EXAMPLES
@given(tables(), st.lists(st.integers(-(1 << 60), 1 << 60), min_size=1, max_size=20))
def test_points_lie_on_straight_lines_between_knots_and_never_fall(table: Calibration, sums: list[int]) -> None:
    check_calibration(table)
    sums += [int(knot) << 20 for knot in table.knot.tolist()]
    ordered: Int64Array = np.array(sorted(sums), np.int64)
    found = points_of(ordered, table, POINTS_MAX)
    assert (np.diff(found) >= 0).all()
    assert found.tolist() == [exact_points(total, table) for total in ordered.tolist()]


def exact_points(total: int, table: Calibration) -> int:
    at = total // (1 << 20)
    knots: list[int] = table.knot.tolist()
    heights: list[int] = table.millionths.tolist()
    if at <= knots[0]:
        return heights[0] * POINTS_MAX // MILLION
    for low, high, start, end in zip(knots, knots[1:], heights, heights[1:], strict=False):
        if at <= high:
            line = start + Fraction(at - low, high - low) * (end - start)
            return math.floor(line) * POINTS_MAX // MILLION
    return heights[-1] * POINTS_MAX // MILLION


@EXAMPLES
@given(drawn_trees(INPUTS))
def test_a_model_is_read_as_it_was_written(trees: Trees) -> None:
    model = scorer_of(trees).model
    content = encode_model(model)
    found = read_model(content)
    assert encode_model(found) == content
    assert (found.inputs, found.threshold_millionths, found.card) == (model.inputs, 500_000, {})
    for name, array in trees._asdict().items():
        np.testing.assert_array_equal(getattr(found.trees, name), array)


@EXAMPLES
@given(drawn_trees(INPUTS), st.data())
def test_a_changed_index_is_refused_or_still_a_tree(trees: Trees, data: st.DataObject) -> None:
    """Whatever index is written over another, the check refuses it, or the walk ends within the arrays."""
    name = data.draw(st.sampled_from(["root", "feature", "left", "right"]))
    array = getattr(trees, name).copy()
    at = data.draw(st.integers(0, len(array) - 1))
    array[at] = data.draw(st.integers(-3, trees.nodes + 2))
    changed = trees._replace(**{name: array})
    try:
        check_trees(changed, INPUTS)
    except EnsembleError:
        return
    scores = scores_of(scorer_of(changed), np.zeros((INPUTS, 1)))
    assert scores.sums.tolist() == [walk(changed, [0.0] * INPUTS).total]


@EXAMPLES
@given(drawn_trees(INPUTS), st.data())
def test_damaged_bytes_are_refused_as_no_model_or_read(trees: Trees, data: st.DataObject) -> None:
    content = bytearray(encode_model(scorer_of(trees).model))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(ModelError):  # any other exception fails
        read_model(bytes(content))


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(ModelError, match="not a model of this release"):
        read_model(b"tree\nversion=v4\n")
