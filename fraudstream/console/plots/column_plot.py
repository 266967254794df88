"""Numbers in columns: each with its parts on top of one another, or one before the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from fraudstream.console.plots.svg import drawing, element

WIDTH: Final = 660
HEIGHT: Final = 150
LEFT: Final = 44  # room for the numbers of the axis
_TOP: Final = 16
_BOTTOM: Final = 18
_LINES: Final = 4
_LABEL_WIDTH: Final = 46
_STEPS: Final = (1, 2, 5)


class Column(NamedTuple):
    """A column. `values`: of its parts. `words`: the column in words. `label`: below it. `caption`: above it. `href`:
    where it leads, if anywhere."""

    values: tuple[float, ...]
    words: str
    label: str
    caption: str = ""
    href: str | None = None


def column_plot(
    columns: Sequence[Column], kinds: Sequence[str], title: str, *, stacked: bool = True, logarithmic: bool = False
) -> Markup:
    """The plot. `kinds`: the classes of the parts. `stacked`: the parts of a column stand on top of one another; else
    each is drawn before the one that precedes it, and narrower. `logarithmic`: heights are those of log10(1 + value),
    of parts that are not stacked. `title`: what it shows, in words."""
    tops = [sum(column.values) if stacked else max(column.values, default=0.0) for column in columns]
    top = max(tops, default=0.0)
    steps = _powers(top) if logarithmic else _steps(top)
    ceiling = _log(steps[-1]) if logarithmic else steps[-1]
    width = (WIDTH - LEFT) / max(len(columns), 1)
    floor, high = HEIGHT - _BOTTOM, HEIGHT - _BOTTOM - _TOP

    def y(value: float) -> float:
        return floor - high * (_log(value) if logarithmic else value) / ceiling

    marks: list[Markup] = []
    for step in steps:
        at = y(step)
        marks.append(element("line", x1=LEFT, x2=WIDTH, y1=at, y2=at, class_="axis"))
        marks.append(element("text", _number(step), x=LEFT - 6, y=at + 4, class_="label", text_anchor="end"))
    every = -(-_LABEL_WIDTH // max(int(width), 1))
    for number, (column, column_top) in enumerate(zip(columns, tops, strict=True)):
        left = LEFT + width * number
        parts = [element("title", column.words), *_parts(column, kinds, left, width, y, stacked=stacked)]
        middle = left + width / 2
        if column.caption:
            parts.append(
                element("text", column.caption, x=middle, y=y(column_top) - 4, class_="label", text_anchor="middle")
            )
        if column.href is None:
            marks.append(element("g", *parts))
        else:
            marks.append(element("a", *parts, href=column.href))
        if number % every == 0:
            marks.append(element("text", column.label, x=middle, y=HEIGHT - 4, class_="label", text_anchor="middle"))
    has_links = any(column.href is not None for column in columns)
    return drawing(title, WIDTH, HEIGHT, *marks, class_="columns", has_links=has_links)


def _parts(
    column: Column, kinds: Sequence[str], left: float, width: float, y: Callable[[float], float], *, stacked: bool
) -> list[Markup]:
    """The rectangles of a column, behind one that can be pointed at."""
    gap = min(3.0, width * 0.12)
    parts = [element("rect", x=left, y=_TOP, width=width, height=HEIGHT - _BOTTOM - _TOP, class_="target")]
    base = 0.0
    for number, (value, kind) in enumerate(zip(column.values, kinds, strict=True)):
        inset = gap if stacked else gap + number * width * 0.22
        if value:
            parts.append(
                element(
                    "rect",
                    x=left + inset,
                    y=y(base + value),
                    width=max(width - 2 * inset, 1.0),
                    height=max(y(base) - y(base + value), 1.0),
                    class_=kind,
                )
            )
        base += value if stacked else 0.0
    return parts


def _number(value: float) -> str:
    """A number beside the axis, short.

    >>> _number(1500.0), _number(100_000.0), _number(2_000_000.0), _number(0.25)
    ('1,500', '100k', '2M', '0.25')
    """
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= 10_000 and value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _log(value: float) -> float:
    return math.log10(value + 1)


def _powers(top: float) -> list[float]:
    """The values of the lines of a logarithmic axis."""
    return [0.0, *(10.0**power for power in range(max(1, math.ceil(_log(top))) + 1))]


def _steps(top: float) -> list[float]:
    """The values of the lines of the axis."""
    step = _step(top)
    return [step * number for number in range(max(1, math.ceil(top / step)) + 1)]


def _step(top: float) -> float:
    """The distance of the lines of the axis: a round number, and a whole one from 1 on.

    >>> _step(0), _step(3), _step(9), _step(130), _step(0.3)
    (1.0, 1.0, 5.0, 50.0, 0.1)
    """
    if top <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(top / _LINES))
    step = next((each * power for each in _STEPS if each * power * _LINES >= top), 10 * power)
    return step if top < 1 else max(step, 1.0)
