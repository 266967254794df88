"""Plots as SVG text: lines, points with intervals and bars on one pair of axes, linear or logarithmic.

Colours are CSS classes (`series-0` to `series-5`), so that light and dark are the page's matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from fraudstream.evaluation.report.markup import Markup, element, join, text

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 26, 14, 44
CHARACTER = 7  # width of a tick's character, about
SERIES_COLOURS = 6


class Axis(NamedTuple):
    """An axis from `low` to `high`. `percent`: values are shares. A logarithmic one starts above 0."""

    title: str
    low: float
    high: float
    logarithmic: bool = False
    percent: bool = False

    def share(self, value: float) -> float:
        """Where a value is, 0 at the low end and 1 at the high one; values beyond an end are at that end."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values on the axis."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = [first * 10.0**power for power in powers for first in (1, 2, 5)]
            inside = [step for step in steps if self.low * 0.999 <= step <= self.high * 1.001]
            tens = [step for step in inside if math.isclose(math.log10(step), round(math.log10(step)), abs_tol=1e-9)]
            return inside if len(inside) <= 8 else tens
        step = 10.0 ** math.floor(math.log10(self.high - self.low))
        while (self.high - self.low) / step < 4:
            step /= 2
        first = math.ceil(self.low / step - 1e-9)
        return [at * step for at in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def tick_text(self, value: float) -> str:
        """A tick as text."""
        shown = value * 100 if self.percent else value
        number = f"{shown:,.0f}" if abs(shown) >= 100 else f"{shown:.4g}"
        return f"{number} %" if self.percent else number


class Line(NamedTuple):
    """Points joined by a line. `dots`: marks each point; `intervals`: low and high of each point's y."""

    name: str
    points: Sequence[tuple[float, float]]
    dots: bool = False
    intervals: Sequence[tuple[float, float]] = ()
    dashed: bool = False


def line_chart(title: str, x: Axis, y: Axis, lines: Sequence[Line], marks: Sequence[tuple[float, str]] = ()) -> Markup:
    """Lines over two axes, with a legend if there are several. `marks`: vertical lines at values of x, with a word."""
    parts = [*_axes(x, y)]
    for value, word in marks:
        at = _x(x, value)
        parts.append(element("line", x1=at, x2=at, y1=TOP, y2=HEIGHT - BOTTOM, class_="mark"))
        parts.append(element("text", text(word), x=at + 4, y=TOP + 10, class_="tick"))
    for number, line in enumerate(lines):
        parts += _line(x, y, line, "reference" if line.dashed else f"series-{number % SERIES_COLOURS}")
    return _figure(title, join(parts), [line.name for line in lines if not line.dashed])


def bar_chart(title: str, y: Axis, names: Sequence[str], series: Sequence[tuple[str, Sequence[float]]]) -> Markup:
    """A group of bars for each name. `series`: name and a value for each of `names`."""
    parts = [*_axes(None, y)]
    width = (WIDTH - LEFT - RIGHT) / max(len(names), 1)
    room = max((len(name) for name in names), default=1) * CHARACTER + 4
    shown_every = max(1, math.ceil(room / width))
    for at, name in enumerate(names):
        begin = LEFT + at * width
        for number, (_, values) in enumerate(series):
            top, bar = _y(y, values[at]), width * 0.8 / len(series)
            left = begin + width * 0.1 + number * bar
            parts.append(
                element(
                    "rect",
                    element("title", text(f"{name}: {y.tick_text(values[at])}")),
                    x=f"{left:.1f}",
                    y=f"{top:.1f}",
                    width=f"{max(bar - 1, 1):.1f}",
                    height=f"{HEIGHT - BOTTOM - top:.1f}",
                    class_=f"bar series-{number % SERIES_COLOURS}",
                )
            )
        if at % shown_every == 0:
            middle = f"{begin + width / 2:.1f}"
            parts.append(element("text", text(name), x=middle, y=HEIGHT - BOTTOM + 16, class_="tick middle"))
    return _figure(title, join(parts), [name for name, _ in series])


def _axes(x: Axis | None, y: Axis) -> list[Markup]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value in y.ticks():
        at = _y(y, value)
        parts.append(element("line", x1=LEFT, x2=right, y1=f"{at:.1f}", y2=f"{at:.1f}", class_="grid"))
        parts.append(element("text", text(y.tick_text(value)), x=LEFT - 6, y=f"{at + 4:.1f}", class_="tick end"))
    for value in x.ticks() if x is not None else ():
        assert x is not None
        at = _x(x, value)
        parts.append(element("line", x1=f"{at:.1f}", x2=f"{at:.1f}", y1=TOP, y2=bottom, class_="grid"))
        parts.append(element("text", text(x.tick_text(value)), x=f"{at:.1f}", y=bottom + 16, class_="tick middle"))
    if x is not None:
        parts.append(element("text", text(x.title), x=(LEFT + right) / 2, y=HEIGHT - 6, class_="axis middle"))
    middle = (TOP + bottom) / 2
    turned = f"rotate(-90 14 {middle})"
    parts.append(element("text", text(y.title), x=14, y=middle, transform=turned, class_="axis middle"))
    return parts


def _line(x: Axis, y: Axis, line: Line, colour: str) -> list[Markup]:
    at = [(_x(x, px), _y(y, py)) for px, py in line.points]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in at)
    parts = [element("polyline", points=path, class_=f"line {colour}")]
    for (px, _), (low, high) in zip(at, line.intervals, strict=False):
        ends = {"y1": f"{_y(y, low):.1f}", "y2": f"{_y(y, high):.1f}"}
        parts.append(element("line", x1=f"{px:.1f}", x2=f"{px:.1f}", class_=f"line {colour}", **ends))
    if line.dots:
        parts += [element("circle", cx=f"{px:.1f}", cy=f"{py:.1f}", r=3, class_=f"dot {colour}") for px, py in at]
    return parts


def _figure(title: str, content: Markup, legend: Sequence[str]) -> Markup:
    entries = [
        Markup(element("span", "", class_=f"key series-{number % SERIES_COLOURS}") + text(name))
        for number, name in enumerate(legend)
    ]
    shown = element("p", Markup(" ".join(entries)), class_="legend") if len(legend) > 1 else Markup("")
    picture = element("svg", content, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)
    return element("figure", join([element("figcaption", text(title)), picture, shown]))


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)
