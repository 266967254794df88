"""How well a score ranks frauds before genuine payments, where each payment stands for several."""

from __future__ import annotations

import numpy as np

from fraudstream.engine.arrays import BoolArray, Float64Array, Int64Array


def area_under_roc(score: Int64Array, fraud: BoolArray, weight: Float64Array) -> float | None:
    """Share of pairs of a fraud and a genuine payment in which the fraud scores higher, ties half; None without pairs.

    All have shape (n,). Source: Mann and Whitney, 1947.

    >>> area_under_roc(np.array([1, 2, 2]), np.array([False, False, True]), np.array([3.0, 1.0, 1.0]))
    0.875
    """
    frauds, genuine = _by_score(score, fraud, weight)
    pairs = frauds.sum() * genuine.sum()
    below = np.cumsum(genuine) - genuine
    return float((frauds * (below + genuine / 2)).sum() / pairs) if pairs else None


def average_precision(score: Int64Array, fraud: BoolArray, weight: Float64Array) -> float | None:
    """Sum over falling thresholds of the rise in recall times the precision; None without frauds. Shape (n,).

    >>> average_precision(np.array([1, 2, 2]), np.array([False, False, True]), np.array([3.0, 1.0, 1.0]))
    0.5
    """
    frauds, genuine = (by_score[::-1] for by_score in _by_score(score, fraud, weight))
    total = frauds.sum()
    caught = np.cumsum(frauds)
    alerted = caught + np.cumsum(genuine)
    return float((frauds * caught / np.maximum(alerted, 1e-300)).sum() / total) if total else None


def _by_score(score: Int64Array, fraud: BoolArray, weight: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The weights of frauds and of genuine payments at each score, lowest first."""
    values, place = np.unique(score, return_inverse=True)
    frauds, genuine = np.zeros(len(values)), np.zeros(len(values))
    np.add.at(frauds, place[fraud], weight[fraud])
    np.add.at(genuine, place[~fraud], weight[~fraud])
    return frauds, genuine
