"""How well scores are calibrated by the source of the label. Where a source is often wrong, the score seems to be.

A source may be a case id, so only the most frequent ones are told apart.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.evaluation.calibration import calibration
from fraudstream.evaluation.payments import BoolArray, EvaluatedPayments, Float64Array
from fraudstream.evaluation.results import LabelSource

SOURCES_MAX: Final = 20


def by_label_source(payments: EvaluatedPayments, score: Float64Array) -> list[LabelSource]:
    """The sources of labels by their number of labels, those beyond `SOURCES_MAX` as one; labels without one last.

    `score`: of the payments, float64, shape (n,).
    """
    labelled = payments.label >= 0
    counts = np.bincount(payments.label_source[labelled & (payments.label_source >= 0)])
    ranked = sorted(np.flatnonzero(counts).tolist(), key=lambda code: (-counts[code], payments.label_sources[code]))
    shown, others = ranked[:SOURCES_MAX], ranked[SOURCES_MAX:]
    found = [
        _quality(payments, score, labelled & (payments.label_source == code), payments.label_sources[code])
        for code in shown
    ]
    if others:
        found.append(_quality(payments, score, labelled & np.isin(payments.label_source, others), None, others=True))
    unnamed = labelled & (payments.label_source < 0)
    return [*found, _quality(payments, score, unnamed, None)] if unnamed.any() else found


def _quality(
    payments: EvaluatedPayments, score: Float64Array, chosen: BoolArray, source: str | None, *, others: bool = False
) -> LabelSource:
    label, confidence = payments.label[chosen], payments.label_confidence[chosen]
    known = confidence[~np.isnan(confidence)]
    quality = calibration(score[chosen], label)
    return LabelSource(
        source=source,
        labels=len(label),
        frauds=int((label == 1).sum()),
        confidence=float(known.mean()) if len(known) else None,
        brier=quality.brier,
        brier_of_base_rate=quality.brier_of_base_rate,
        expected_error=quality.expected_error,
        others=others,
    )
