"""The score: how unusual a payment is for its account, in [0, 1], as a sum of parts that each can be explained.

Points are integer ten-thousandths, so that the parts add up to the score exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from fraudstream.engine.arrays import Int32Array
from fraudstream.engine.document import Node
from fraudstream.engine.expression import ColumnSource, Expression, Symbols, Type, ValueLists
from fraudstream.engine.rules import read_expression

POINTS_MAX = 10_000
PARTS_MAX = 50

_PART_KEYS = ("part", "weight", "value", "normal", "from", "to", "when")
_QUANTITIES = (Type.NUMBER, Type.DURATION, Type.MONEY)


@dataclass(frozen=True, slots=True)
class Part:
    """No points at or short of `start`, `points_max` at or past `end`, linear between; falling where `end` is less.

    Without `start` and `end` the value is true or false, and true has all the points. A missing value has none, and so
    has a payment where `when` is not true.
    """

    name: str
    points_max: int
    value: Expression
    normal: Expression | None
    start: Expression | None
    end: Expression | None
    when: Expression | None

    @property
    def names(self) -> frozenset[str]:
        """The fields and features that it reads."""
        expressions = [e for e in (self.value, self.normal, self.when) if e is not None]
        return frozenset().union(*(expression.names for expression in expressions))

    def points(self, columns: ColumnSource) -> Int32Array:
        """Ten-thousandths, int32, shape (n,), each in [0, points_max]."""
        if self.start is None or self.end is None:
            share = self.value.true(columns).astype(np.float64)
        else:
            start, end = self.start.values(columns), self.end.values(columns)
            share = (self.value.values(columns) - start) / (end - start)
            share = np.where(np.isnan(share), 0.0, np.minimum(np.maximum(share, 0.0), 1.0))
        if self.when is not None:
            share = np.where(self.when.true(columns), share, 0.0)
        return np.rint(share * self.points_max).astype(np.int32)


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """`threshold_points`: a score of as many points or more is worth an alert."""

    threshold_points: int
    parts: tuple[Part, ...]

    @property
    def threshold(self) -> float:
        return self.threshold_points / POINTS_MAX

    @property
    def names(self) -> frozenset[str]:
        """The fields and features that the parts read."""
        return frozenset().union(*(part.names for part in self.parts))

    def points(self, columns: ColumnSource) -> Int32Array:
        """Points of each part, int32, shape (parts, n). The score is their sum."""
        points = np.zeros((len(self.parts), columns.n), np.int32)
        for i, part in enumerate(self.parts):
            points[i] = part.points(columns)
        return points


NO_SCORE = ScoreModel(POINTS_MAX, ())  # its score is 0 for every payment


def read_score(root: Node, symbols: Symbols, lists: ValueLists) -> ScoreModel:
    """The score model of a document; what is wrong is added to the document's faults."""
    entries = root.entries("the score", ("threshold", "parts"), ("threshold", "parts"))
    threshold = _points(entries["threshold"], "threshold") if "threshold" in entries else POINTS_MAX
    parts: list[Part] = []
    nodes = entries["parts"].items("parts") if "parts" in entries else []
    if len(nodes) > PARTS_MAX:
        root.fault(f"{len(nodes)} parts are more than a person can weigh: at most {PARTS_MAX}.")
    for node in nodes[:PARTS_MAX]:
        part = _read_part(node, symbols, lists)
        if part is None:
            continue
        if any(part.name == other.name for other in parts):
            node.fault(f"there is another part '{part.name}' above.")
        parts.append(part)
    total = sum(part.points_max for part in parts)
    if total > POINTS_MAX:
        entries["parts"].fault(f"the weights sum to {total / POINTS_MAX:.4f}: more than 1.")
    return ScoreModel(threshold, tuple(parts))


def _read_part(node: Node, symbols: Symbols, lists: ValueLists) -> Part | None:
    entries = node.entries("a part", _PART_KEYS, ("part", "weight", "value"))
    if not {"part", "weight", "value"} <= entries.keys():
        return None
    name = entries["part"].word("part")
    if not name.isidentifier() or len(name) > 64:
        entries["part"].fault("a part's name is one word of letters, digits and '_', at most 64 characters.")
    points_max = _points(entries["weight"], "weight")
    when = read_expression(entries["when"], "when", symbols, Type.BOOL, lists) if "when" in entries else None
    value = read_expression(entries["value"], "value", symbols, (*_QUANTITIES, Type.BOOL), lists)
    if value is None:
        return None
    normal = read_expression(entries["normal"], "normal", symbols, tuple(Type)) if "normal" in entries else None
    start = end = None
    if value.type is Type.BOOL:
        for key in {"from", "to"} & entries.keys():
            entries[key].fault(f"the value is true or false: it has no '{key}'. Remove it.")
    elif not {"from", "to"} <= entries.keys():
        node.fault("a part needs 'from' (no points) and 'to' (full weight). Add them.")
        return None
    else:
        start = read_expression(entries["from"], "from", {}, value.type)
        end = read_expression(entries["to"], "to", {}, value.type)
        if start is None or end is None:
            return None
        if start.source == end.source:
            entries["to"].fault("'from' and 'to' are equal: points must rise or fall between them.")
    return Part(name, points_max, value, normal, start, end, when)


def _points(node: Node, what: str) -> int:
    """A number in (0, 1] with at most four decimals, in ten-thousandths; 0 and a fault if it is none."""
    text = node.word(what)
    try:
        points = Decimal(text) * POINTS_MAX
    except ArithmeticError:  # not a number, or one too large even for a decimal
        points = Decimal(0)
    if not (points.is_finite() and 0 < points <= POINTS_MAX and points == points.to_integral_value()):
        node.fault(f"{what} must be a number above 0, at most 1, with at most four decimals, not '{text[:40]}'.")
        return 0
    return int(points)
