"""How much of a feature's window state has seen that was built after retention deleted the beginning of the log.


log        …deleted…|──────────────────────────────────►
                    since                      payment
window        ├────────────────────────────────┤          warming: '5 of 30 days'
                              ├────────────────┤          full
"""

from __future__ import annotations

import math

from fraudstream.contracts.duration import UNITS_MS
from fraudstream.engine.catalogue import WINDOW_MAX_MS, Feature

_UNITS = (("days", "d"), ("hours", "h"), ("minutes", "m"))


def warming(feature: Feature, value: float, occurred_at_ms: int, since_ms: int) -> str | None:
    """How much of the feature's window the state has seen by `occurred_at_ms`, as text; None if all of it.

    `value`: the answer, NaN missing. `since_ms`: when the first record that the state has seen was published. An age,
    and a feature without a window that found nothing, may depend on any earlier time: the longest window counts.
    """
    span_ms = feature.window_ms + feature.delay_ms
    if span_ms == 0:
        if feature.aggregate != "age" and not math.isnan(value):
            return None  # the state holds the last payment, so it has seen everything since
        span_ms = WINDOW_MAX_MS
    seen_ms = max(0, occurred_at_ms - since_ms)
    return share_text(seen_ms, span_ms) if seen_ms < span_ms else None


def share_text(seen_ms: int, span_ms: int) -> str:
    """`seen_ms` of `span_ms` in whole units, of which the span has at least two.

    >>> share_text(5 * 86_400_000, 30 * 86_400_000), share_text(5_400_000, 86_400_000), share_text(0, 60_000)
    ('5 of 30 days', '1 of 24 hours', '0 of 60 seconds')
    """
    for name, unit in _UNITS:
        width = UNITS_MS[unit]
        if span_ms % width == 0 and span_ms >= 2 * width:
            return f"{seen_ms // width} of {span_ms // width} {name}"
    return f"{seen_ms // 1000} of {span_ms // 1000} seconds"
