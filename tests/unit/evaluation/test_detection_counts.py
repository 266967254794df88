"""Detection metrics against hand-computed values and against their definition over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.evaluation.detection_counts import DetectionCounts


def evaluated(scores: list[int], labels: list[int], fired: list[list[bool]] | None = None) -> DetectionCounts:
    rules = len(fired[0]) if fired else 0
    evaluation = DetectionCounts([f"r{i}" for i in range(rules)], 10_000)
    evaluation.add(
        np.array(scores, np.int32),
        np.array(fired if fired else np.zeros((len(scores), 0)), np.bool_),
        np.array(scores, np.int32) >= 5_000,
        np.array(labels, np.int8),
    )
    return evaluation


def test_auc_and_average_precision_by_hand() -> None:
    # highest first: fraud 0.9, genuine 0.8, fraud 0.7, genuine 0.1
    # pairs won: 0.9 beats both, 0.7 beats one: 3 of 4. Precision at each fraud: 1/1 and 2/3.
    evaluation = evaluated([9_000, 8_000, 7_000, 1_000], [1, 0, 1, 0])
    assert evaluation.auc() == 0.75
    assert evaluation.average_precision() == pytest.approx((1 + 2 / 3) / 2)


def test_ties_count_half_and_share_one_threshold() -> None:
    evaluation = evaluated([5_000, 5_000, 5_000, 5_000], [1, 0, 0, 0])
    assert evaluation.auc() == 0.5
    assert evaluation.average_precision() == 0.25


def test_unlabelled_payments_count_only_as_fired() -> None:
    evaluation = evaluated([9_000, 9_000, 0], [-1, 1, 0], [[True], [True], [False]])
    (rule,) = evaluation.rules()
    assert (rule.fired, rule.fired_on_fraud, rule.precision, rule.recall) == (2, 1, 1.0, 1.0)
    assert evaluation.auc() == 1.0


def test_without_labels_there_are_no_measures() -> None:
    evaluation = evaluated([9_000], [-1], [[True]])
    assert (evaluation.auc(), evaluation.average_precision()) == (None, None)
    assert evaluation.rules()[0][-2:] == (None, None)


def test_alerts_are_measured_as_a_rule_is() -> None:
    alerts = evaluated([9_000, 6_000, 1_000], [1, 0, 1]).alerts()
    assert (alerts.fired, alerts.precision, alerts.recall) == (2, 0.5, 0.5)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=2, max_size=60), st.integers(1, 59))
def test_measures_equal_their_definitions_however_the_payments_are_batched(
    rows: list[tuple[int, int]], cut: int
) -> None:
    scores, labels = [score for score, _ in rows], [label for _, label in rows]
    evaluation = DetectionCounts([], 6)
    for part in (slice(0, cut), slice(cut, None)):
        n = len(scores[part])
        empty, nothing = np.zeros((n, 0), np.bool_), np.zeros(n, np.bool_)
        evaluation.add(np.array(scores[part], np.int32), empty, nothing, np.array(labels[part], np.int8))
    frauds = [score for score, label in rows if label]
    genuine = [score for score, label in rows if not label]
    if not frauds:
        assert evaluation.average_precision() is None
        return
    recall, total = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        caught = sum(score >= threshold for score in frauds)
        flagged = sum(score >= threshold for score in scores)
        total += (caught / len(frauds) - recall) * caught / flagged
        recall = caught / len(frauds)
    assert evaluation.average_precision() == pytest.approx(total)
    if genuine:
        won = sum((f > g) + 0.5 * (f == g) for f in frauds for g in genuine)
        assert evaluation.auc() == pytest.approx(won / len(frauds) / len(genuine))
