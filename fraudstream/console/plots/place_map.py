"""Places of payments on a plain grid of degrees: no coast, no tiles, nothing from elsewhere.

The part of the world that holds all places, at least two degrees high, in equal degrees of longitude and latitude.
Those of longitude are narrowed by the cosine of the middle latitude, so that distances look alike in both directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from markupsafe import Markup

from fraudstream.console.plots.svg import drawing, element
from fraudstream.history.answers import PastPayment

WIDTH: Final = 500
HEIGHT: Final = 320
_SPAN_MIN: Final = 2.0
_STEPS: Final = (0.5, 1, 2, 5, 10, 15, 30, 45)
_LINES_MAX: Final = 7


def place_map(payments: Sequence[PastPayment], title: str, describe: Callable[[PastPayment], str]) -> Markup | None:
    """The map; None if no payment has a place. `title`: what it shows, in words. `describe`: an alert in words."""
    known = [(payment, *payment.place) for payment in payments if payment.place is not None]
    if not known:
        return None
    south, north = _range([lat for _, lat, _ in known], _SPAN_MIN, 90.0)
    narrow = max(math.cos(math.radians((south + north) / 2)), 0.1)
    west, east = _range([lon for _, _, lon in known], (north - south) * WIDTH / HEIGHT / narrow, 180.0)
    scale = min(WIDTH / ((east - west) * narrow), HEIGHT / (north - south))
    width, height = round((east - west) * narrow * scale), round((north - south) * scale)

    def x(lon: float) -> float:
        return (lon - west) * narrow * scale

    def y(lat: float) -> float:
        return (north - lat) * scale

    marks = [element("rect", x=0, y=0, width=width, height=height, class_="frame")]
    for lon in _lines(west, east):
        marks.append(element("line", x1=x(lon), x2=x(lon), y1=0, y2=height, class_="axis"))
        marks.append(element("text", _degrees(lon, "E", "W"), x=x(lon) + 2, y=height - 3, class_="label"))
    for lat in _lines(south, north):
        marks.append(element("line", x1=0, x2=width, y1=y(lat), y2=y(lat), class_="axis"))
        marks.append(element("text", _degrees(lat, "N", "S"), x=2, y=y(lat) - 2, class_="label"))
    dots = "".join(f"M{x(lon):.1f} {y(lat):.1f}h0" for payment, lat, lon in known if payment.alert_id is None)
    if dots:
        marks.append(element("path", d=dots, class_="dots debit"))
    marks += [
        element("circle", element("title", describe(payment)), cx=x(lon), cy=y(lat), r=4, class_="alert")
        for payment, lat, lon in known
        if payment.alert_id is not None
    ]
    return drawing(title, width, height, *marks, class_="map")


def _range(values: Sequence[float], span_min: float, most: float) -> tuple[float, float]:
    """A range with all values and a margin, at least `span_min` wide where `-most` and `most` allow it."""
    low, high = min(values), max(values)
    margin = max((high - low) * 0.08, (span_min - (high - low)) / 2)
    return max(low - margin, -most), min(high + margin, most)


def _lines(low: float, high: float) -> list[float]:
    """Where grid lines are: at most `_LINES_MAX`, at multiples of a step."""
    step = next((step for step in _STEPS if (high - low) / step <= _LINES_MAX), _STEPS[-1])
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _degrees(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):g}°{positive if value > 0 else negative if value < 0 else ''}"
