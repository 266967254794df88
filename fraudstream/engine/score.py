"""The parts score: how unusual a payment is for its account, in [0, 1], as a sum of parts, each with an explanation.

The first implementation of `scorer.Scorer`. Points are integer millionths, so the parts add up to the score exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np

from fraudstream.contracts.alert import ScorePart
from fraudstream.engine.arrays import Int32Array, Int64Array
from fraudstream.engine.document import Node
from fraudstream.engine.evidence import TextOfRow, text_of_row
from fraudstream.engine.expression import (
    PAYMENT_DOMAINS,
    ColumnSource,
    Domains,
    Expression,
    Symbols,
    Type,
    ValueLists,
)
from fraudstream.engine.part_names import read_part_name, read_parts
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.rules import read_expression
from fraudstream.engine.scorer import POINTS_MAX

PARTS_MAX = 50

_PART_KEYS = ("part", "weight", "value", "normal", "from", "to", "when")
_QUANTITIES = (Type.NUMBER, Type.DURATION, Type.MONEY)


@dataclass(frozen=True)
class Part:
    """One part of the score.

    A payment gets no points at or short of `start`, `points_max` at or past `end`, and linearly between; where `end` is
    less than `start` the points fall with the value. Without `start` and `end` the value is a BOOL, and true gets all
    points. A missing value gets none, and so does a payment for which `when` is not true.
    """

    name: str
    points_max: int
    value: Expression
    normal: Expression | None
    start: Expression | None
    end: Expression | None
    when: Expression | None

    @cached_property
    def names(self) -> frozenset[str]:
        """The fields and features that it reads."""
        expressions = [e for e in (self.value, self.normal, self.when) if e is not None]
        return frozenset().union(*(expression.names for expression in expressions))

    def points(self, columns: ColumnSource) -> Int32Array:
        """Millionths, int32, shape (n,), each in [0, points_max]."""
        if self.start is None or self.end is None:
            share = self.value.true(columns).astype(np.float64)
        else:
            start, end = self.start.values(columns), self.end.values(columns)
            share = (self.value.values(columns) - start) / (end - start)
            share = np.where(np.isnan(share), 0.0, np.minimum(np.maximum(share, 0.0), 1.0))
        if self.when is not None:
            share = np.where(self.when.true(columns), share, 0.0)
        return np.rint(share * self.points_max).astype(np.int32)

    def explained(self, points: int, row: PaymentRow) -> ScorePart:
        """The part as an alert shows it for a payment to which it gave `points`."""
        value_of, normal_of = self._texts
        normal = None if normal_of is None else normal_of(row)
        return ScorePart(self.name, points / POINTS_MAX, self.points_max / POINTS_MAX, value_of(row), normal)

    @cached_property
    def _texts(self) -> tuple[TextOfRow, TextOfRow | None]:
        """Functions with the text of its value and of the account's normal, made once."""
        return text_of_row(self.value), None if self.normal is None else text_of_row(self.normal)


class PartScores:
    """The scores of a batch, as the sum of its parts' points. `part_points`: int32, shape (parts, n)."""

    def __init__(self, part_points: Int32Array) -> None:
        self.part_points = part_points
        self._points: Int32Array = part_points.sum(axis=0, dtype=np.int32)

    @property
    def points(self) -> Int32Array:
        """As `scorer.Scores`: int32, shape (n,)."""
        return self._points

    def contributions(self, rows: Int64Array) -> Int64Array:
        """As `scorer.Scores`: int64, shape (parts, len(rows))."""
        return self.part_points[:, rows].astype(np.int64)

    def rarities(self, rows: Int64Array) -> list[Mapping[str, int]]:
        """As `scorer.Scores`: none, parts are scored by their values."""
        return [{}] * len(rows)

    def points_of(self, sums: Int64Array) -> Int32Array:
        """As `scorer.Scores`: the sums themselves."""
        return sums.astype(np.int32)


@dataclass(frozen=True)
class PartsScorer:
    """A score as the sum of `parts`; as `scorer.Scorer`. `threshold_points`: millionths."""

    threshold_points: int
    parts: tuple[Part, ...]

    @cached_property
    def inputs(self) -> Mapping[str, frozenset[str]]:
        """By part, the fields and features that it reads."""
        return {part.name: part.names for part in self.parts}

    @property
    def digest_content(self) -> object:
        """Threshold and parts; an expression counts as its text."""
        return {"threshold_points": self.threshold_points, "parts": self.parts}

    def score(self, columns: ColumnSource) -> PartScores:
        """The points of each payment, part by part."""
        points = np.zeros((len(self.parts), columns.n), np.int32)
        for i, part in enumerate(self.parts):
            points[i] = part.points(columns)
        return PartScores(points)

    def explain(self, contributions: Sequence[int], row: PaymentRow, *, include_zero: bool) -> list[ScorePart]:
        """Points, weight, value and the account's normal of each part. Parameters as in `scorer.Scorer`."""
        return [
            part.explained(points, row)
            for part, points in zip(self.parts, contributions, strict=True)
            if points or include_zero
        ]


NO_SCORE = PartsScorer(POINTS_MAX, ())  # its score is 0 for every payment


def read_score(
    root: Node, symbols: Symbols, lists: ValueLists, domains: Domains | None = PAYMENT_DOMAINS
) -> PartsScorer:
    """The parts score of `score.yaml`; faults are added to the document's. `domains`: what values names can have."""
    entries = root.entries("the score", ("kind", "threshold", "parts"), ("threshold", "parts"))
    threshold = _points(entries["threshold"], "threshold") if "threshold" in entries else POINTS_MAX
    nodes = entries["parts"].items("parts") if "parts" in entries else []
    if len(nodes) > PARTS_MAX:
        root.fault(f"{len(nodes)} parts are too many: at most {PARTS_MAX}.")
    parts = read_parts(nodes[:PARTS_MAX], lambda node: _read_part(node, symbols, lists, domains))
    total = sum(part.points_max for part in parts)
    if total > POINTS_MAX:
        entries["parts"].fault(f"the weights sum to {total / POINTS_MAX:.4f}: more than 1.")
    return PartsScorer(threshold, tuple(parts))


def _read_part(node: Node, symbols: Symbols, lists: ValueLists, domains: Domains | None) -> Part | None:
    entries = node.entries("a part", _PART_KEYS, ("part", "weight", "value"))
    if not {"part", "weight", "value"} <= entries.keys():
        return None
    name = read_part_name(entries["part"])
    points_max = _points(entries["weight"], "weight")
    when = None
    if "when" in entries:
        when = read_expression(entries["when"], "when", symbols, Type.BOOL, lists, domains)
    value = read_expression(entries["value"], "value", symbols, (*_QUANTITIES, Type.BOOL), lists, domains)
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
    """A number in (0, 1] with at most six decimals, in millionths; 0 and a fault if it is not one."""
    text = node.word(what)
    try:
        points = Decimal(text) * POINTS_MAX
    except ArithmeticError:  # not a number, or one too large even for a decimal
        points = Decimal(0)
    if not (points.is_finite() and 0 < points <= POINTS_MAX and points == points.to_integral_value()):
        node.fault(f"{what} must be a number above 0, at most 1, with at most six decimals, not '{text[:40]}'.")
        return 0
    return int(points)
