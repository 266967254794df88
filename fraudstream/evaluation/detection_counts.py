"""Detection quality of rules and score against labels, counted incrementally during a replay in constant memory.

Scores are whole points, so two histograms suffice to compute the area under the ROC curve and the average precision
exactly, ties included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.evaluation.ranking import area_under_roc, average_precision

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


class DetectionCounts:
    """Accumulates the counts of a replay. Call `add` with each batch, then read the results. `points_max`: the highest
    score."""

    def __init__(self, rules: Sequence[str], points_max: int) -> None:
        self._rules = list(rules)
        self._fired = np.zeros((3, len(rules)), np.int64)  # on all payments, on fraud, on genuine
        self._alerted = np.zeros(3, np.int64)
        self._scores = np.zeros((2, points_max + 1), np.int64)  # genuine, fraud

    def add(
        self,
        score_points: npt.NDArray[np.int32],
        fired: npt.NDArray[np.bool_],
        alerted: npt.NDArray[np.bool_],
        labels: npt.NDArray[np.int8],
    ) -> None:
        """Count a batch of n payments.

        `score_points`: int32 (n,), 0 to `points_max`. `fired`: bool (n, rules). `alerted`: bool (n,). `labels`: int8
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
        """As `ranking.area_under_roc`; None without payments of both labels."""
        return area_under_roc(self._scores[0], self._scores[1])

    def average_precision(self) -> float | None:
        """As `ranking.average_precision`; None without frauds."""
        return average_precision(self._scores[0], self._scores[1])
