"""Detection quality of rules and score against labels, counted incrementally during a replay in constant memory.

Scores are whole ten-thousandths, so two histograms suffice to compute the area under the ROC curve and the average
precision exactly, ties included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.engine.scorer import POINTS_MAX

Int64Array = npt.NDArray[np.int64]


class RuleResult(NamedTuple):
    """Counts for one rule. `fired`: number of payments on which it fired, labelled or not.

    Precision and recall are over labelled payments; None if the denominator is zero.
    """

    rule: str
    fired: int
    fired_on_fraud: int
    fired_on_genuine: int
    precision: float | None
    recall: float | None


class Evaluation:
    """Accumulates the counts of a replay. Call `add` with each batch, then read the results."""

    def __init__(self, rules: Sequence[str]) -> None:
        self._rules = list(rules)
        self._fired = np.zeros((3, len(rules)), np.int64)  # on all payments, on fraud, on genuine
        self._alerted = np.zeros(3, np.int64)
        self._scores = np.zeros((2, POINTS_MAX + 1), np.int64)  # genuine, fraud

    def add(
        self,
        score_points: npt.NDArray[np.int32],
        fired: npt.NDArray[np.bool_],
        alerted: npt.NDArray[np.bool_],
        labels: npt.NDArray[np.int8],
    ) -> None:
        """Count a batch of n payments.

        `score_points`: ten-thousandths, int32 (n,). `fired`: bool (n, rules). `alerted`: bool (n,). `labels`: int8
        (n,), 1 fraud, 0 genuine, -1 unlabelled.
        """
        chosen = (np.ones(len(labels), np.bool_), labels == 1, labels == 0)
        for number, mask in enumerate(chosen):
            self._fired[number] += fired[mask].sum(axis=0)
            self._alerted[number] += alerted[mask].sum()
        for label in (0, 1):
            np.add.at(self._scores[label], score_points[labels == label], 1)

    @property
    def genuine(self) -> int:
        """Number of payments labelled genuine."""
        return int(self._scores[0].sum())

    @property
    def frauds(self) -> int:
        """Number of payments labelled fraud."""
        return int(self._scores[1].sum())

    def rules(self) -> list[RuleResult]:
        """The result of each rule, in the order given to the constructor."""
        return [self._result(rule, self._fired[:, number]) for number, rule in enumerate(self._rules)]

    def alerts(self) -> RuleResult:
        """The same counts for alerts, whether a rule or the score raised them."""
        return self._result("alert", self._alerted)

    def _result(self, rule: str, counts: Int64Array) -> RuleResult:
        fired, on_fraud, on_genuine = (int(count) for count in counts)
        labelled = on_fraud + on_genuine
        return RuleResult(
            rule,
            fired,
            on_fraud,
            on_genuine,
            on_fraud / labelled if labelled else None,
            on_fraud / self.frauds if self.frauds else None,
        )

    def auc(self) -> float | None:
        """Area under the ROC curve: probability that a fraud scores higher than a genuine payment, ties counted half.

        None without payments of both labels.
        """
        return area_under_roc(self._scores[0], self._scores[1])

    def average_precision(self) -> float | None:
        """Average precision of the score; None without frauds."""
        return average_precision(self._scores[0], self._scores[1])


def area_under_roc(genuine: Int64Array, frauds: Int64Array) -> float | None:
    """Area under the ROC curve from counts by score, lowest score first: int64, shape (scores,). None without pairs.

    Source: Mann and Whitney, 1947 (U divided by the number of pairs).

    >>> area_under_roc(np.array([2, 1]), np.array([0, 1]))  # scores 0 0 1 of genuine payments, 1 of a fraud
    0.8333333333333334
    """
    pairs = int(genuine.sum()) * int(frauds.sum())
    if not pairs:
        return None
    below = np.cumsum(genuine) - genuine
    won = int((frauds * below).sum()) * 2 + int((frauds * genuine).sum())
    return won / (2 * pairs)


def average_precision(genuine: Int64Array, frauds: Int64Array) -> float | None:
    """Sum over descending thresholds of the increase in recall times the precision, without interpolation.

    `genuine`, `frauds`: counts by score, lowest score first; int64, shape (scores,). None without frauds.

    >>> average_precision(np.array([2, 1]), np.array([0, 1]))
    0.5
    """
    total = int(frauds.sum())
    if not total:
        return None
    caught = np.cumsum(frauds[::-1])
    flagged = caught + np.cumsum(genuine[::-1])
    precision = caught / np.maximum(flagged, 1)
    return float((frauds[::-1] * precision).sum() / total)
