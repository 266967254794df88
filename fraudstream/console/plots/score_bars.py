"""The parts of a score as bars that add up: each begins where the one before it ends, the last one is their sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from fraudstream.console.plots.svg import drawing, element
from fraudstream.console.reasons import ScoreReason

WIDTH: Final = 130
HEIGHT: Final = 14
_MARGIN: Final = 2


class ScoreBars(NamedTuple):
    """A bar for each part, in their order, one for all others, and that of the sum. `total`: in points or bits."""

    parts: tuple[Markup, ...]
    others: Markup
    sum: Markup
    total: float


def score_bars(reason: ScoreReason, title: str) -> ScoreBars:
    """The bars of a score. `title`: in words, with `{points}` for a bar's points and `{threshold}`, both in the unit of
    the parts."""
    points = [*(part.points for part in reason.parts), reason.others_points]
    ends = [math.fsum(points[: count + 1]) for count in range(len(points))]
    total = ends[-1]
    threshold = _bits(reason.threshold) if reason.in_bits else reason.threshold
    scale = _Scale([0.0, threshold, *ends])

    def bar(begin: float, end: float, kind: str) -> Markup:
        left, right = sorted((scale.x(begin), scale.x(end)))
        return drawing(
            title.format(points=f"{end - begin:+.4f}", threshold=f"{threshold:.4f}"),
            WIDTH,
            HEIGHT,
            element("line", x1=scale.x(0.0), x2=scale.x(0.0), y1=0, y2=HEIGHT, class_="axis"),
            element("rect", x=left, y=2, width=max(right - left, 1.0), height=HEIGHT - 4, class_=kind),
            element("line", x1=scale.x(threshold), x2=scale.x(threshold), y1=0, y2=HEIGHT, class_="threshold"),
            class_="score-bar",
        )

    begins = [0.0, *ends[:-1]]
    kinds = ["part raises" if point >= 0 else "part lowers" for point in points]
    *parts, others = (bar(begin, end, kind) for begin, end, kind in zip(begins, ends, kinds, strict=True))
    return ScoreBars(tuple(parts), others, bar(0.0, total, "part sum"), total)


class _Scale:
    """Numbers to pixels."""

    def __init__(self, numbers: Sequence[float]) -> None:
        self._low = min(numbers)
        self._factor = (WIDTH - 2 * _MARGIN) / ((max(numbers) - self._low) or 1.0)

    def x(self, number: float) -> float:
        return _MARGIN + (number - self._low) * self._factor


def _bits(probability: float) -> float:
    """The log odds of a probability, in bits."""
    clipped = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log2(clipped / (1 - clipped))
