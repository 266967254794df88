"""The times of labels: a label from the future, or of no time at all, is rejected.

The newest `labelled_at` of a payment counts, so a label dated in the future would outlive every correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fraudstream.contracts.duration import duration_text
from fraudstream.contracts.label import Label
from fraudstream.engine.columns import (
    OCCURRED_AT_END_MS,
    OCCURRED_AT_MIN_MS,
    SECONDS_END,
    SECONDS_MIN,
    Rejection,
    time_ms,
)

_PATH = "$.labelled_at"
_SECONDS = "labelled_at looks like seconds since the epoch; give milliseconds, or a date and time with its zone."
_OUTSIDE = "labelled_at lies outside the years 1970 to 2199."


def check_labels(
    labels: Sequence[tuple[int, Label]], published_at_ms: Sequence[int] | None, too_far_ahead_ms: int
) -> tuple[list[tuple[int, Label]], list[Rejection]]:
    """The valid labels, each with its position among the events, and the rejections of the others.

    `published_at_ms`: when each event's record was published, ms since the epoch; None, as for files: neither seconds
    nor times ahead of publication are looked for. A label may be dated `too_far_ahead_ms` after its publication.
    """
    kept: list[tuple[int, Label]] = []
    rejected: list[Rejection] = []
    for position, label in labels:
        published = None if published_at_ms is None else int(published_at_ms[position])
        found = _fault(position, label, published, too_far_ahead_ms)
        if found is None:
            kept.append((position, label))
        else:
            rejected.append(found)
    return kept, rejected


def _fault(position: int, label: Label, published_at_ms: int | None, too_far_ahead_ms: int) -> Rejection | None:
    """Why the label is rejected; None if it is valid."""
    labelled_ms = time_ms(label.labelled_at)
    if not OCCURRED_AT_MIN_MS <= labelled_ms < OCCURRED_AT_END_MS:
        return Rejection(position, "invalid", _OUTSIDE, _PATH)
    if published_at_ms is None:
        return None
    if not isinstance(label.labelled_at, datetime) and SECONDS_MIN <= labelled_ms < SECONDS_END:
        return Rejection(position, "invalid", _SECONDS, _PATH)
    if labelled_ms > published_at_ms + too_far_ahead_ms:
        ahead, most = duration_text(labelled_ms - published_at_ms), duration_text(too_far_ahead_ms)
        sentence = f"labelled_at lies {ahead} after the label was published; {most} is allowed. Check the clock."
        return Rejection(position, "too_far_ahead", sentence, _PATH)
    return None
