"""How well a score ranks frauds above genuine payments: area under the ROC curve, average precision, their curves.

Everything is computed from counts by distinct score, so ties are exact: payments of one score are never ranked among
each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

CURVE_POINTS_MAX = 400


class ScoreCounts(NamedTuple):
    """Labelled payments by distinct score, lowest first. `score`: float64; `genuine`, `frauds`: int64; (scores,)."""

    score: Float64Array
    genuine: Int64Array
    frauds: Int64Array


class CurvePoint(NamedTuple):
    """One threshold: an alert is a score of at least `threshold`. The rates are shares, 0 to 1."""

    threshold: float
    false_positive_rate: float
    recall: float
    precision: float


def score_counts(score: Float64Array, label: npt.NDArray[np.int8]) -> ScoreCounts:
    """Counts by distinct score. `score`: float64, (n,), no NaN. `label`: 1 fraud, 0 genuine, -1 unlabelled (left out).

    >>> score_counts(np.array([0.5, 0.1, 0.5, 0.9]), np.array([1, 0, 0, -1], np.int8)).frauds.tolist()
    [0, 1]
    """
    labelled = label >= 0
    values, index = np.unique(score[labelled], return_inverse=True)
    fraud = label[labelled] == 1
    frauds = np.bincount(index[fraud], minlength=len(values))
    return ScoreCounts(values, np.bincount(index[~fraud], minlength=len(values)), frauds)


def weights_by_score(
    score: Int64Array, fraud: npt.NDArray[np.bool_], weight: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """The weights of genuine payments and of frauds at each distinct score, lowest first, where each payment stands for
    `weight` payments. All have shape (n,).

    >>> score, fraud = np.array([1, 2, 2]), np.array([False, False, True])
    >>> genuine, frauds = weights_by_score(score, fraud, np.array([3.0, 1.0, 1.0]))
    >>> area_under_roc(genuine, frauds), average_precision(genuine, frauds)
    (0.875, 0.5)
    """
    values, index = np.unique(score, return_inverse=True)
    genuine, frauds = np.zeros(len(values)), np.zeros(len(values))
    np.add.at(genuine, index[~fraud], weight[~fraud])
    np.add.at(frauds, index[fraud], weight[fraud])
    return genuine, frauds


def area_under_roc(genuine: Int64Array | Float64Array, frauds: Int64Array | Float64Array) -> float | None:
    """Area under the ROC curve: probability that a fraud scores higher than a genuine payment, ties counted half.

    `genuine`, `frauds`: counts or weights by score, lowest score first; int64 or float64, shape (scores,). None without
    payments of both labels. Source: Mann and Whitney, 1947 (U divided by the number of pairs).

    >>> area_under_roc(np.array([2, 1]), np.array([0, 1]))  # scores 0 0 1 of genuine payments, 1 of a fraud
    0.8333333333333334
    """
    pairs = genuine.sum().item() * frauds.sum().item()
    if not pairs:
        return None
    below = np.cumsum(genuine) - genuine
    won = (frauds * below).sum().item() * 2 + (frauds * genuine).sum().item()
    return float(won / (2 * pairs))


def average_precision(genuine: Int64Array | Float64Array, frauds: Int64Array | Float64Array) -> float | None:
    """Sum over descending thresholds of the increase in recall times the precision, without interpolation.

    `genuine`, `frauds`: counts or weights by score, lowest score first; int64 or float64, shape (scores,). None without
    frauds.

    >>> average_precision(np.array([2, 1]), np.array([0, 1]))
    0.5
    """
    total = frauds.sum().item()
    if not total:
        return None
    caught = np.cumsum(frauds[::-1])
    flagged = caught + np.cumsum(genuine[::-1])
    precision = caught / np.where(flagged > 0, flagged, 1)
    return float((frauds[::-1] * precision).sum() / total)


def curve(counts: ScoreCounts) -> list[CurvePoint]:
    """The ROC and precision-recall curves, from the highest threshold down; empty without payments of both labels.

    At most about `CURVE_POINTS_MAX` points, spread evenly along both curves; the first and the last are always there.
    """
    genuine_total, frauds_total = int(counts.genuine.sum()), int(counts.frauds.sum())
    if not genuine_total or not frauds_total:
        return []
    caught, false = np.cumsum(counts.frauds[::-1]), np.cumsum(counts.genuine[::-1])
    recall, false_rate = caught / frauds_total, false / genuine_total
    travelled = recall + false_rate
    steps = np.linspace(travelled[0], travelled[-1], CURVE_POINTS_MAX // 2)
    by_rank = np.geomspace(1, len(recall), CURVE_POINTS_MAX // 2).astype(np.int64) - 1
    chosen = np.unique(np.concatenate([np.searchsorted(travelled, steps), by_rank, [0, len(recall) - 1]]))
    return [
        CurvePoint(
            float(counts.score[len(recall) - 1 - at]),
            float(false_rate[at]),
            float(recall[at]),
            float(caught[at] / (caught[at] + false[at])) if caught[at] + false[at] else 0.0,
        )
        for at in np.minimum(chosen, len(recall) - 1).tolist()
    ]
