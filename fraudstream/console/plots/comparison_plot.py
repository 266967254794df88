"""A comparison of a rule as a plot: the value as a bar, the threshold as a dashed line, the account's normal as a
tick."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from fraudstream.console.plots.svg import drawing, element
from fraudstream.console.reasons import Measured

WIDTH: Final = 150
HEIGHT: Final = 18
_MARGIN: Final = 4


def comparison_plot(measured: Measured, title: str) -> Markup:
    """The plot, on an axis that begins at zero. `title`: the same in words."""
    numbers = [measured.value_quantity.number, measured.threshold_quantity.number]
    if measured.normal_quantity is not None:
        numbers.append(measured.normal_quantity.number)
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    scale = (WIDTH - 2 * _MARGIN) / ((high - low) or 1.0)

    def x(number: float) -> float:
        return _MARGIN + (number - low) * scale

    value, threshold = x(numbers[0]), x(numbers[1])
    middle = HEIGHT / 2
    marks = [
        element("line", x1=_MARGIN, x2=WIDTH - _MARGIN, y1=middle, y2=middle, class_="axis"),
        element("rect", x=min(x(0.0), value), y=middle - 3, width=abs(value - x(0.0)), height=6, class_="value"),
        element("line", x1=threshold, x2=threshold, y1=1, y2=HEIGHT - 1, class_="threshold"),
    ]
    if measured.normal_quantity is not None:
        marks.append(element("circle", cx=x(numbers[2]), cy=middle, r=4, class_="normal"))
    return drawing(title, WIDTH, HEIGHT, *marks, class_="comparison")
