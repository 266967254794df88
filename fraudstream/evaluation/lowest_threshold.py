"""The threshold that an alert budget comes to, for scores and for models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fraudstream.evaluation.payments import Float64Array


def lowest_threshold(points: npt.NDArray[np.integer], weight: Float64Array, alerts_max: float) -> int:
    """The lowest whole number, at least 1, such that payments with at least as many points weigh `alerts_max` or less.

    `points`: whole numbers, shape (n,), n > 0. `weight`: payments that each one stands for; float64, shape (n,). No
    lower than the lowest score. Payments of one score are alerted together or not at all, so a tie at the end of the
    budget is left out.

    >>> lowest_threshold(np.array([40, 30, 30, 10]), np.ones(4), 2.0)
    31
    """
    order = np.argsort(-points, kind="stable")
    ranked, alerts = points[order], np.cumsum(weight[order])
    first_beyond = int(np.searchsorted(alerts, alerts_max, side="right"))
    found = int(ranked[first_beyond]) + 1 if first_beyond < len(ranked) else int(ranked[-1])
    return max(found, 1)
