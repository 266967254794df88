"""How often rules raised cases, and how these cases were closed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fraudstream.console.case_row import CaseRow

ACTIVITY_DAYS: Final = 7
DAY_MS: Final = 86_400_000
_FRAUD: Final = ("confirmed_fraud",)
_GENUINE: Final = ("false_positive", "genuine_but_risky")


@dataclass(slots=True)
class RuleActivity:
    """`cases`: in which the rule fired, opened in the `ACTIVITY_DAYS` before the newest of all cases.

    `fraud`, `genuine`: of all cases in memory in which it fired, those closed as confirmed fraud, and as genuine.
    """

    cases: int = 0
    fraud: int = 0
    genuine: int = 0

    @property
    def precision(self) -> float | None:
        """The share of fraud among the cases that were closed as one or the other; None without one.

        >>> RuleActivity(cases=9, fraud=1, genuine=3).precision
        0.25
        """
        closed = self.fraud + self.genuine
        return self.fraud / closed if closed else None


def activity_of(rows: Sequence[CaseRow]) -> Mapping[str, RuleActivity]:
    """The activity of each rule that fired in one of the cases, by its name; others have none."""
    found: dict[str, RuleActivity] = defaultdict(RuleActivity)
    since_ms = max((row.opened_at_ms for row in rows), default=0) - ACTIVITY_DAYS * DAY_MS
    for row in rows:
        for rule in row.rules:
            activity = found[rule]
            activity.cases += row.opened_at_ms >= since_ms
            activity.fraud += row.disposition in _FRAUD
            activity.genuine += row.disposition in _GENUINE
    return found
