"""The lowest and the highest value that a quantity can have, by interval arithmetic over its parts.

The parts are taken as independent (`amount - amount` may be anything), so bounds may be too wide, never too narrow.
Rounding is monotone, so the bounds hold for the float64 results too.

Source: Moore, Kearfott, Cloud, "Introduction to Interval Analysis", SIAM 2009, chapters 2 and 5.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import numpy as np

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.engine.expression.domains import UNBOUNDED, Bounds, Domains
from fraudstream.engine.expression.nodes import (
    Arithmetic,
    Constant,
    Magnitude,
    MajorUnits,
    Negative,
    Quantity,
    QuantityColumn,
    Surprisal,
)

_MINOR_PER_MAJOR_MAX = 10.0 ** max(EXPONENTS.values())


def bounds_of(quantity: Quantity, domains: Domains) -> Bounds:
    """The lowest and the highest value of a quantity: numbers, minor units whatever the currency, or ms."""
    match quantity:
        case Constant(value):
            return Bounds(float(value), float(value))
        case MajorUnits(value):
            ends = float(np.rint(value)), float(np.rint(value * _MINOR_PER_MAJOR_MAX))
            return Bounds(min(ends), max(ends))
        case QuantityColumn(name):
            domain = domains.get(name)
            return domain if isinstance(domain, Bounds) else UNBOUNDED
        case Negative(part):
            found = bounds_of(part, domains)
            return Bounds(-found.most, -found.least)
        case Magnitude(part):
            least, most = bounds_of(part, domains)
            return Bounds(max(0.0, least, -most), max(-least, most))
        case Surprisal():
            return Bounds(0.0, math.inf)
        case Arithmetic(operation, left, right):
            return _combined(operation, bounds_of(left, domains), bounds_of(right, domains))
        case _:
            return UNBOUNDED


def possible(what: str, left: Bounds, right: Bounds) -> bool:
    """Whether the comparison `what` can hold between values of those bounds.

    >>> possible("<", Bounds(0, 23), Bounds(0, 0)), possible("<=", Bounds(0, 23), Bounds(0, 0))
    (False, True)
    """
    match what:
        case "<":
            return left.least < right.most
        case "<=":
            return left.least <= right.most
        case ">":
            return left.most > right.least
        case ">=":
            return left.most >= right.least
        case "==":
            return left.least <= right.most and right.least <= left.most
        case _:
            return not (left.least == left.most == right.least == right.most)


def _combined(operation: Callable[..., object], left: Bounds, right: Bounds) -> Bounds:
    """The bounds of `left operation right`; NaN, as of infinity times zero, is no bound."""
    if operation is operator.truediv and right.least <= 0 <= right.most:
        return UNBOUNDED
    with np.errstate(all="ignore"):
        ends = [float(operation(np.float64(a), np.float64(b))) for a in left for b in right]  # type: ignore[arg-type]
    if any(math.isnan(end) for end in ends):
        return UNBOUNDED
    return Bounds(min(ends), max(ends))
