"""What the scores and rules that decide nothing made of a batch, for the observer. A repeat counts for none of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fraudstream.engine.scorer import POINTS_MAX

if TYPE_CHECKING:
    from fraudstream.engine.verdict import Verdicts

LIVE_ALERT, NO_LIVE_ALERT = "alert", "none"


def shadow_scores(verdicts: Verdicts) -> dict[str, npt.NDArray[np.float64]]:
    """The scores of the payments by the name of their scorer, 0 to 1: float64, shape (payments,)."""
    if not verdicts.shadow_points:
        return {}
    first = ~verdicts.repeat
    return {name: points[first] / POINTS_MAX for name, points in verdicts.shadow_points.items()}


def shadow_alerts(verdicts: Verdicts) -> Mapping[tuple[str, str], int]:
    """How many payments reach the threshold of each scorer, by its name and by whether they are alerted (`LIVE_ALERT`)
    or not."""
    counts: Counter[tuple[str, str]] = Counter()
    for name, threshold in verdicts.rule_set.shadow_thresholds.items() if verdicts.shadow_points else ():
        reached = (verdicts.shadow_points[name] >= threshold) & ~verdicts.repeat
        both = int(np.count_nonzero(reached & verdicts.alerted))
        counts[name, LIVE_ALERT] = both
        counts[name, NO_LIVE_ALERT] = int(np.count_nonzero(reached)) - both
    return counts


def shadow_rules(verdicts: Verdicts) -> Mapping[str, int]:
    """How often each shadow rule fired."""
    counts: Counter[str] = Counter()
    for number, count in enumerate(np.bincount(verdicts.finding[~verdicts.repeat]).tolist()):
        if count:
            for rule in verdicts.findings[number].shadow_rules:
                counts[rule] += count
    return counts
