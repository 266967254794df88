"""The payments of a time as a plot: amounts by time, and a lane for each channel and device.

Payments are dots of one path, so that a thousand of them are a few kilobytes. Alerts are circles that can be pointed
at. Of several accounts, each has a path and a lane in a colour of its own. Amounts of different currencies share the
scale, in major units.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from markupsafe import Markup

from fraudstream.console.plots.svg import drawing, element
from fraudstream.console.shown_text import plain_value
from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.timestamps import utc
from fraudstream.history.answers import PastPayment
from fraudstream.history.tables import DAY_MS

WIDTH: Final = 1_360
LEFT: Final = 120  # room for the names of lanes
RIGHT: Final = 10
AMOUNTS_HEIGHT: Final = 170
LANE_HEIGHT: Final = 16
DEVICES_MAX: Final = 5
NAME_LENGTH: Final = 17
DATE_WIDTH: Final = 40
_TOP: Final = 10
_DATES_MAX: Final = 8


def timeline(
    payments: Sequence[PastPayment],
    since_ms: int,
    until_ms: int,
    title: str,
    describe: Callable[[PastPayment], str],
    accounts: Sequence[str] = (),
    account_of: Sequence[int] = (),
) -> Markup:
    """The plot, from `since_ms` to `until_ms`. `title`: what it shows, in words. `describe`: an alert in words.

    `accounts`: names of the accounts, if there are several; `account_of`: the number of that of each payment.
    """
    numbers = account_of or [0] * len(payments)
    lanes = [*_account_lanes(payments, accounts, numbers), *_lanes(payments)]
    height = AMOUNTS_HEIGHT + LANE_HEIGHT * len(lanes) + 24
    majors = [_major(payment) for payment in payments]
    top = max(1.0, math.log10(max(majors, default=1.0) + 1))
    width = WIDTH - LEFT - RIGHT

    def x(at_ms: int) -> float:
        return LEFT + width * (at_ms - since_ms) / max(until_ms - since_ms, 1)

    def y(major: float) -> float:
        return AMOUNTS_HEIGHT - (AMOUNTS_HEIGHT - _TOP) * math.log10(major + 1) / top

    marks = [*_amount_grid(top, y), *_date_grid(since_ms, until_ms, x, height)]
    plain: dict[tuple[int, str], str] = {}
    alerts = []
    for payment, major, number in zip(payments, majors, numbers, strict=True):
        at = f"{x(payment.occurred_at_ms):.1f} {y(major):.1f}"
        if payment.alert_id is None and payment.label != "fraud":
            kind = number, "credit" if payment.fields.get("direction") == "credit" else "debit"
            plain[kind] = plain.get(kind, "") + f"M{at}h0"
        else:
            cx, cy = at.split(" ")
            shape = "alert" if payment.alert_id is not None else "labelled"
            alerts.append(
                element("circle", element("title", describe(payment)), cx=cx, cy=cy, r=4, class_=shape + _mark(number))
            )
    marks += [
        element("path", d=path, class_=f"dots {direction}{_mark(number)}")
        for (number, direction), path in sorted(plain.items(), key=lambda each: (each[0][0], each[0][1] == "credit"))
    ]
    for row, (name, times) in enumerate(lanes):
        middle = AMOUNTS_HEIGHT + 8 + LANE_HEIGHT * row
        ticks = "".join(f"M{x(at_ms):.1f} {middle - 4}v8" for at_ms in times)
        mark = f" account-{row}" if row < len(accounts) else ""
        marks += [_label(LEFT - 6, middle + 4, name), element("path", d=ticks, class_=f"ticks{mark}")]
    return drawing(title, WIDTH, height, *marks, *alerts, class_="timeline")


def _mark(number: int) -> str:
    """What is added to the class of a mark, so that it has the colour of its account; that of the first is the usual
    one."""
    return f" account-{number}" if number else ""


def _account_lanes(
    payments: Sequence[PastPayment], accounts: Sequence[str], numbers: Sequence[int]
) -> list[tuple[str, list[int]]]:
    """Name and times of the lane of each account."""
    times: list[list[int]] = [[] for _ in accounts]
    for payment, number in zip(payments, numbers, strict=True):
        if accounts:
            times[number].append(payment.occurred_at_ms)
    return list(zip(accounts, times, strict=True))


def _lanes(payments: Sequence[PastPayment]) -> list[tuple[str, list[int]]]:
    """Name and times of each lane: channels by name, then the devices that were used most."""
    channels = sorted({name for payment in payments if (name := payment.text("channel")) is not None})
    devices = Counter(name for payment in payments if (name := payment.text("device_id")) is not None)
    lanes = [(name, _times(payments, "channel", name)) for name in channels]
    return lanes + [(name, _times(payments, "device_id", name)) for name, _ in devices.most_common(DEVICES_MAX)]


def _times(payments: Iterable[PastPayment], field: str, value: str) -> list[int]:
    return [payment.occurred_at_ms for payment in payments if payment.fields.get(field) == value]


def _amount_grid(top: float, y: Callable[[float], float]) -> list[Markup]:
    marks = []
    for power in range(1, int(top) + 1):
        at = y(10.0**power)
        marks += [element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="axis")]
        marks += [_label(LEFT - 6, at + 4, f"{10**power:,}")]
    return marks


def _date_grid(since_ms: int, until_ms: int, x: Callable[[int], float], height: int) -> list[Markup]:
    first_day, last_day = -(-since_ms // DAY_MS), until_ms // DAY_MS
    step = max(1, -(-(last_day - first_day + 1) // _DATES_MAX))
    marks = []
    for day in range(first_day, last_day + 1, step):
        at = x(day * DAY_MS)
        marks.append(element("line", x1=at, x2=at, y1=_TOP, y2=height - 18, class_="axis"))
        date = utc(day * DAY_MS).strftime("%m-%d")
        is_last = at > WIDTH - RIGHT - DATE_WIDTH
        anchor = "end" if is_last else "start"
        marks.append(
            element("text", date, x=at + (-2 if is_last else 2), y=height - 6, class_="label", text_anchor=anchor)
        )
    return marks


def _label(x: float, y: float, text: str) -> Markup:
    """A text that ends at `x`, cut to the room that there is."""
    shown = plain_value(text)
    short = shown if len(shown) <= NAME_LENGTH else f"{shown[: NAME_LENGTH - 1]}…"
    return element("text", element("title", shown), short, x=x, y=y, class_="label", text_anchor="end")


def _major(payment: PastPayment) -> float:
    return payment.amount_minor / 10.0 ** EXPONENTS.get(payment.currency, 2)
