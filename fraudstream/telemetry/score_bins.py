"""Counts of scores by bins, from which Prometheus computes the drift of the score.

The bins are fixed and finest near 0, where most scores are: a calibrated score is near the share of frauds.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import numpy.typing as npt
from prometheus_client import Counter

BOUNDS = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75)  # upper ends, included
NAMES = (*(f"{bound:g}" for bound in BOUNDS), "1")
_FEW = 16  # below, Python is faster than numpy's calls


class ScoreBins:
    """Counts into the children of `counter`, whose last label is the upper end of a bin. All are 0 from the start.
    `labels`: values of the labels before it."""

    def __init__(self, counter: Counter, *labels: str) -> None:
        self._children = [counter.labels(*labels, name) for name in NAMES]
        self._bounds = np.array(BOUNDS)

    def observe(self, scores: npt.NDArray[np.float64]) -> None:
        """Count `scores`, 0 to 1, float64, shape (n,)."""
        if len(scores) < _FEW:
            for score in scores.tolist():
                self._children[bisect_left(BOUNDS, score)].inc()
            return
        counts = np.bincount(self._bounds.searchsorted(scores), minlength=len(NAMES))
        for at in np.flatnonzero(counts).tolist():
            self._children[at].inc(int(counts[at]))
