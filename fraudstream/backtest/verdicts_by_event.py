"""The verdicts of one rule set on a batch of events, laid out by event: so two rule sets can be compared, even where
one of them could not decide a payment."""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.engine.arrays import BoolArray, Int32Array, Int64Array
from fraudstream.engine.verdict import Verdicts
from fraudstream.evaluation.rule_difference import OutcomeName

OUTCOMES: Final[tuple[OutcomeName, ...]] = ("allow", "review", "block", "undecided")
_UNDECIDED: Final = OUTCOMES.index("undecided")


class VerdictsByEvent:
    """Verdicts on the payments among `n` events; arrays have shape (n,) unless noted.

    `row`: of each event in `verdicts`, -1 for a label or an undecided payment; int64. `repeat`, `alerted`: bool.
    `outcome`: index into `OUTCOMES`; int64. `reaches`: whether the score reaches the threshold, False for a repeat;
    bool. `fired`: bool, shape (n, rules).
    """

    def __init__(self, verdicts: Verdicts, n: int) -> None:
        at = verdicts.positions
        self.verdicts = verdicts
        self.row: Int64Array = np.full(n, -1, np.int64)
        self.row[at] = np.arange(verdicts.n)
        self.repeat: BoolArray = np.zeros(n, np.bool_)
        self.repeat[at] = verdicts.repeat
        self.alerted: BoolArray = np.zeros(n, np.bool_)
        self.alerted[at] = verdicts.alerted
        self.outcome: Int64Array = np.full(n, _UNDECIDED, np.int64)
        of_finding = np.array([OUTCOMES.index(finding.outcome) for finding in verdicts.findings], np.int64)
        self.outcome[at] = of_finding[verdicts.finding] if verdicts.n else 0
        self.reaches: BoolArray = np.zeros(n, np.bool_)
        points: Int32Array = verdicts.score_points
        scored = bool(verdicts.rule_set.scorer.inputs)
        self.reaches[at] = scored & (points >= verdicts.rule_set.scorer.threshold_points) & ~verdicts.repeat
        self.fired: BoolArray = np.zeros((n, len(verdicts.rule_set.rules)), np.bool_)
        self.fired[at] = verdicts.fired
