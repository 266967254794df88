"""How urgent a case is: points for severity, score, amount at risk and service level, and how long it has waited.

Points: severity 0, 20, 40 or 60; the score times 20; of the amount at risk in the base currency 5 for each factor of
ten above 100, at most 20; 10 after a warning of the service level, 25 after a breach. A day of waiting weighs as much
as one point. So a case of low severity comes before a new critical one after two months, and none waits for ever.
"""

from __future__ import annotations

import math
from typing import Final

from fraudstream.contracts import Case
from fraudstream.contracts.fields import SEVERITIES

SEVERITY_POINTS: Final = 20
SCORE_POINTS: Final = 20
AMOUNT_POINTS: Final = 5
AMOUNT_POINTS_MAX: Final = 20
AMOUNT_FROM: Final = 100
WARNED_POINTS: Final = 10
BREACHED_POINTS: Final = 25
POINT_MS: Final = 24 * 3600 * 1000
_TIME_MS_MAX: Final = 2**52


def points(case: Case) -> float:
    """The points of a case, without its age, to a thousandth."""
    service = BREACHED_POINTS if case.breached_at_ms is not None else WARNED_POINTS if case.warned_at_ms else 0
    score = SCORE_POINTS * min(max(case.score, 0.0), 1.0)
    return round(SEVERITY_POINTS * SEVERITIES.index(case.severity) + score + _amount_points(case) + service, 3)


def urgency(case: Case) -> int:
    """Rank in the queue, higher first: points, each worth `POINT_MS`, against the time it opened. Between -2**53 and
    2**53, so exact as a Redis score."""
    return round(points(case) * POINT_MS) - min(max(case.opened_at_ms, 0), _TIME_MS_MAX)


def _amount_points(case: Case) -> float:
    amount = float(case.amount_at_risk or 0)
    if amount <= AMOUNT_FROM:
        return 0.0
    return min(AMOUNT_POINTS * math.log10(amount / AMOUNT_FROM), AMOUNT_POINTS_MAX)
