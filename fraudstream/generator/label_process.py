"""What becomes known of payments: reports days later, some never, some wrong at first.

truth      first label     correction
fraud      fraud                         reported within `genuine_days`
fraud      genuine         fraud         reported later, or cleared by mistake
fraud      genuine                       never reported
genuine    genuine                       after `genuine_days`
genuine    fraud           genuine       a false report
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.generator.parameters import TYPOLOGIES, Parameters
from fraudstream.generator.stable_choice import BoolArray, Float64Array, Int64Array
from fraudstream.generator.week import DAY_MS

_REPORT_DAYS_MIN = 0.02
_CODE = {name: number for number, name in enumerate(TYPOLOGIES)}


class Reports(NamedTuple):
    """What is said of n payments. `label`: the first, 1 fraud, 0 genuine, -1 none; int8 (n,).

    `at_ms`: when; `corrected_at_ms`: when the other label follows, -1 if none does; ms since the epoch, int64 (n,).
    """

    label: npt.NDArray[np.int8]
    at_ms: Int64Array
    corrected_at_ms: Int64Array

    def first(self, count: int) -> Reports:
        """Those of the first `count` payments."""
        return Reports(self.label[:count], self.at_ms[:count], self.corrected_at_ms[:count])


class LabelProcess:
    """Draws reports. Its numbers are its own: other labels change no payment."""

    def __init__(self, parameters: Parameters, seed: int) -> None:
        self._labels = parameters.labels
        named = [parameters.typologies.named(name) for name in TYPOLOGIES]
        self._reported = np.array([typology.reported_share for typology in named])
        self._days = np.array([typology.days for typology in named])
        self._rng = np.random.Generator(np.random.PCG64([seed, 1]))

    def reports(self, occurred_at_ms: Int64Array, typology: Any) -> Reports:
        """Reports of payments. `typology`: object (n,), None if genuine."""
        n, labels, rng = len(occurred_at_ms), self._labels, self._rng
        uniform = rng.random((3, n))
        code = np.array([_CODE[name] if name else -1 for name in typology.tolist()], np.int64)
        fraud = code >= 0
        told = uniform[0] < np.where(fraud, self._reported[code], labels.false_report_share)
        told_days = self._days[code] * np.exp(rng.normal(0, labels.days_spread, n))
        told_days = np.where(fraud, told_days, uniform[2] * labels.genuine_days)  # false reports come early
        told_days = np.maximum(told_days, _REPORT_DAYS_MIN)
        wrong_days = rng.exponential(labels.correction_days, n) + _REPORT_DAYS_MIN

        cleared = told & fraud & (uniform[2] < labels.cleared_first_share)
        counted = uniform[1] < labels.genuine_share
        late = told & fraud & ~cleared & counted & (told_days > labels.genuine_days)
        silent = ~told & counted
        first = np.where(silent | late | cleared, 0, np.where(told, 1, -1)).astype(np.int8)
        first_days = np.where(silent | late, labels.genuine_days, told_days)
        corrected_days = np.where(late, told_days, told_days + wrong_days)
        at_ms = np.where(first >= 0, occurred_at_ms + _ms(first_days), -1)
        wrong = late | cleared | (told & ~fraud)
        return Reports(first, at_ms, np.where(wrong, occurred_at_ms + _ms(corrected_days), -1))


def constant_delay(occurred_at_ms: Int64Array, fraud: BoolArray, delay_ms: int) -> Reports:
    """Reports of the truth, each `delay_ms` after its payment. `fraud`: bool (n,)."""
    return Reports(fraud.astype(np.int8), occurred_at_ms + delay_ms, np.full(len(occurred_at_ms), -1, np.int64))


def _ms(days: Float64Array) -> Int64Array:
    return np.rint(days * DAY_MS).astype(np.int64)
