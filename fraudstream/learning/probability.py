"""Calibration: what a sum of the trees means as a probability, and from which probability on to alert."""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.engine.arrays import BoolArray, Float64Array, Int64Array
from fraudstream.engine.trees.calibration import MILLION, Calibration, logistic_table, points_of
from fraudstream.engine.trees.ensemble import VALUE_ONE
from fraudstream.evaluation.lowest_threshold import lowest_threshold

DAY_MS: Final = 86_400_000

_STEPS_MAX: Final = 100
_SLOPE_MIN, _SLOPE_MAX = 0.05, 20.0


def platt(sums: Int64Array, fraud: BoolArray, weight: Float64Array) -> Calibration:
    """The table of the logistic curve that fits labels to sums best; the curve of the sums themselves without frauds.

    `sums`: in 2**-40; int64. All have shape (n,). Source: Platt, "Probabilistic outputs for support vector machines",
    1999, by Newton's method, with his targets that stop short of 0 and 1.
    """
    frauds, genuine = float(weight[fraud].sum()), float(weight[~fraud].sum())
    if not frauds or not genuine:
        return logistic_table()
    z = sums / VALUE_ONE
    target = np.where(fraud, (frauds + 1.0) / (frauds + 2.0), 1.0 / (genuine + 2.0))
    slope, offset = 1.0, 0.0
    for _ in range(_STEPS_MAX):
        p = 1.0 / (1.0 + np.exp(-np.clip(slope * z + offset, -60.0, 60.0)))
        residual, spread = weight * (p - target), weight * np.maximum(p * (1.0 - p), 1e-12)
        gradient = np.array([(residual * z).sum(), residual.sum()])
        mixed = float((spread * z).sum())
        curvature = np.array([[(spread * z * z).sum() + 1e-9, mixed], [mixed, spread.sum() + 1e-9]])
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        slope = float(np.clip(slope - step[0], _SLOPE_MIN, _SLOPE_MAX))
        offset -= float(step[1])
        if np.abs(step).max() < 1e-9:
            break
    return logistic_table(slope, offset)


def threshold_of_budget(
    sums: Int64Array, weight: Float64Array, calibration: Calibration, days: float, alerts_a_day: float
) -> int:
    """The lowest probability, in millionths, at which at most `alerts_a_day` payments a day are alerted; at least 1.

    `sums`, `weight`: of the payments of `days` days; shape (n,). If even the highest one alerts more, it is returned.
    """
    millionths = points_of(sums, calibration, MILLION)
    return min(lowest_threshold(millionths, weight, alerts_a_day * days), MILLION) if len(millionths) else MILLION
