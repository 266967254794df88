"""Whether a score is the probability that it claims to be: reliability by bins, the Brier score.

Bins end at shares of the payments from the top: the 0.1 % with the highest scores, the next 0.1 %, and so on. Fraud is
rare, so bins of equal width would hold nearly everything in the lowest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

SHARES_FROM_TOP = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
Z_95 = 1.959963984540054


class ReliabilityBin(NamedTuple):
    """Labelled payments with scores from `low` to `high`, both included. `fraud_share_low` and `_high`: its 95 %
    interval (Wilson)."""

    low: float
    high: float
    payments: int
    frauds: int
    mean_score: float
    fraud_share: float
    fraud_share_low: float
    fraud_share_high: float


class Calibration(NamedTuple):
    """`brier`: mean of (score − label)²; `brier_of_base_rate`: of a score that says the share of frauds of every
    payment. `expected_error`: mean over payments of |mean score − share of frauds| of their bin. None without labels.
    """

    brier: float | None
    brier_of_base_rate: float | None
    expected_error: float | None
    bins: tuple[ReliabilityBin, ...]


def calibration(score: Float64Array, label: npt.NDArray[np.int8]) -> Calibration:
    """Of labelled payments. `score`: in [0, 1], float64 (n,); `label`: 1 fraud, 0 genuine, -1 left out; int8 (n,).

    Source of the Brier score: Brier, Verification of forecasts expressed in terms of probability, 1950.
    """
    labelled = label >= 0
    score, fraud = score[labelled], label[labelled] == 1
    n = len(score)
    if not n:
        return Calibration(None, None, None, ())
    order = np.argsort(-score, kind="stable")
    score, fraud = score[order], fraud[order]
    last_of_score = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    wanted = np.array([math.ceil(share * n) - 1 for share in SHARES_FROM_TOP])
    ends = np.unique(last_of_score[np.searchsorted(last_of_score, wanted)]) + 1  # a bin holds all of a score
    starts = np.concatenate([[0], ends[:-1]])
    bins = tuple(_bin(score[begin:end], fraud[begin:end]) for begin, end in zip(starts, ends, strict=True))
    base = float(fraud.mean())
    error = sum(each.payments * abs(each.mean_score - each.fraud_share) for each in bins) / n
    return Calibration(float(((score - fraud) ** 2).mean()), base * (1 - base), error, bins)


def _bin(score: Float64Array, fraud: npt.NDArray[np.bool_]) -> ReliabilityBin:
    """A bin of at least one payment; scores descending."""
    n, frauds = len(score), int(fraud.sum())
    low, high = wilson_interval(frauds, n)
    return ReliabilityBin(float(score[-1]), float(score[0]), n, frauds, float(score.mean()), frauds / n, low, high)


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a share. `n` > 0. Source: Wilson, Probable inference, JASA 22, 1927.

    >>> wilson_interval(0, 10)[0], round(wilson_interval(0, 10)[1], 4)
    (0.0, 0.2775)
    """
    share, z2 = successes / n, Z_95 * Z_95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half) if successes else 0.0, min(1.0, centre + half) if successes < n else 1.0
