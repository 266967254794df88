"""Counts by day in a line of a table: one column a day, with the part of it that stands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from fraudstream.console.plots.svg import drawing, element

WIDTH: Final = 150
HEIGHT: Final = 22


def day_bars(counts: Sequence[int], marked: Sequence[int], title: str) -> Markup:
    """The plot. `marked`: of each day, drawn before its count, on the same scale. `title`: the same in words."""
    top = max((*counts, *marked, 1))
    width = WIDTH / max(len(counts), 1)
    marks = [element("line", x1=0, x2=WIDTH, y1=HEIGHT - 0.5, y2=HEIGHT - 0.5, class_="axis")]
    for kind, values in (("alerts", counts), ("fraud", marked)):
        heights = [max(value * (HEIGHT - 2) / top, 1.0) if value else 0.0 for value in values]
        bars = [
            f"M{number * width:.1f} {HEIGHT}v-{height:.1f}h{max(width - 0.6, 0.6):.1f}V{HEIGHT}z"
            for number, height in enumerate(heights)
            if height
        ]
        if bars:
            marks.append(element("path", d="".join(bars), class_=kind))
    return drawing(title, WIDTH, HEIGHT, *marks, class_="day-bars")
