"""How far a memory can see whose log had lost its beginning before it was read: features tell until it is far enough.

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
    """How much of what `feature` looks back on the memory has seen by `occurred_at_ms`, or None if all of it.

    `since_ms`: when the first record was published that the memory has seen. An age,
    and what found nothing to look at, may lie any time back: they are told for the longest window there is.
    """
    span_ms = feature.window_ms + feature.delay_ms
    if span_ms == 0:
        if feature.aggregate != "age" and not math.isnan(value):
            return None  # the last payment is in memory, and so is all that lies between
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
