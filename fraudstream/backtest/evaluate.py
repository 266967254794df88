"""How well rules and score tell fraud from the rest, against labels: counted as a replay goes, in memory that does
not grow.

Scores are ten-thousandths, so two histograms hold all that the area under the ROC curve and the average precision need;
they are exact, ties included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.engine.scorer import POINTS_MAX

Int64Array = npt.NDArray[np.int64]


class RuleResult(NamedTuple):
    """`fired`: on how many payments. Precision and recall over labelled payments; None where there is nothing to
    divide by."""

    rule: str
    fired: int
    fired_on_fraud: int
    fired_on_genuine: int
    precision: float | None
    recall: float | None


class Evaluation:
    """Call `add` with each batch; `labels`: int8, 1 fraud, 0 genuine, -1 none."""

    def __init__(self, rules: Sequence[str]) -> None:
        self._rules = list(rules)
        self._fired = np.zeros((3, len(rules)), np.int64)  # on any, on fraud, on genuine
        self._alerted = np.zeros(3, np.int64)
        self._scores = np.zeros((2, POINTS_MAX + 1), np.int64)  # genuine, fraud

    def add(
        self,
        score_points: npt.NDArray[np.int32],
        fired: npt.NDArray[np.bool_],
        alerted: npt.NDArray[np.bool_],
        labels: npt.NDArray[np.int8],
    ) -> None:
        chosen = (np.ones(len(labels), np.bool_), labels == 1, labels == 0)
        for number, mask in enumerate(chosen):
            self._fired[number] += fired[mask].sum(axis=0)
            self._alerted[number] += alerted[mask].sum()
        for label in (0, 1):
            np.add.at(self._scores[label], score_points[labels == label], 1)

    @property
    def genuine(self) -> int:
        return int(self._scores[0].sum())

    @property
    def frauds(self) -> int:
        return int(self._scores[1].sum())

    def rules(self) -> list[RuleResult]:
        return [self._result(rule, self._fired[:, number]) for number, rule in enumerate(self._rules)]

    def alerts(self) -> RuleResult:
        """The same for the alerts, whatever raised them."""
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
        """The chance that a fraud scores higher than a genuine payment, ties half: area under the ROC curve."""
        return area_under_roc(self._scores[0], self._scores[1])

    def average_precision(self) -> float | None:
        return average_precision(self._scores[0], self._scores[1])


def area_under_roc(genuine: Int64Array, frauds: Int64Array) -> float | None:
    """From counts by score, lowest score first. Source: Mann and Whitney, 1947 (U over the number of pairs).

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
    """Sum over thresholds, highest first, of the gain in recall times the precision there; no interpolation.

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
