"""Repeats are answered with the first verdict, whether it was given in the same batch or in an earlier one."""

from __future__ import annotations

import numpy as np
import pytest

from fraudstream.engine.first_verdict import answer_repeats, index_of, is_held, is_reference, reference_to
from fraudstream.engine.ledger import UNKNOWN, FirstVerdicts


def test_an_index_comes_back_from_its_reference() -> None:
    index = np.array([0, 1, 4_999, 2**31 - 3])
    reference = reference_to(index)
    assert (reference.dtype, bool((reference < 0).all())) == (np.dtype(np.int32), True)
    assert index_of(reference).tolist() == index.tolist()


def test_a_score_a_reference_and_a_verdict_no_longer_held_are_told_apart() -> None:
    encoded = np.array([0, 10_000, -1, -5_000, UNKNOWN], np.int32)
    assert is_reference(encoded).tolist() == [False, False, True, True, False]
    assert is_held(encoded).tolist() == [True, True, True, True, False]


def test_repeats_get_the_verdict_of_this_batch_or_of_an_earlier_one() -> None:
    """
    row                0      1          2             3
                     fresh  repeat     fresh        repeat
    first verdict      -    stored       -      ◄── that of row 2
    """
    first = FirstVerdicts(np.array([0, 700, 0, -3], np.int32), np.array([0, 5, 0, 0], np.int32))
    score_points, finding = np.array([100, 0, 200, 0], np.int32), np.array([1, 0, 2, 0])
    answer_repeats(first, np.array([False, True, False, True]), score_points, finding)
    assert (score_points.tolist(), finding.tolist()) == ([100, 700, 200, 200], [1, 5, 2, 2])


def test_a_repeat_of_a_repeat_is_an_error_of_ours() -> None:
    first = FirstVerdicts(np.array([-2, 700], np.int32), np.zeros(2, np.int32))
    with pytest.raises(AssertionError, match="repeats refer to repeats"):
        answer_repeats(first, np.array([True, True]), np.zeros(2, np.int32), np.zeros(2, np.int64))
