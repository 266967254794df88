"""Typed nodes for one payment: functions that compute with Python's floats what the nodes compute over columns.

A numpy call takes a microsecond, whatever the number of payments. Explanations ask about a few comparisons of a few
payments: there a function of one payment takes a tenth of it. The same IEEE operations give the same values, to the
bit. A node without a function here is evaluated by its own methods, over columns of one row.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from fraudstream.engine.digest import MISSING, DigestKey
from fraudstream.engine.expression.columns import ColumnSource
from fraudstream.engine.expression.condition_nodes import (
    BoolColumn,
    Not,
    OneOf,
    QuantityComparison,
    QuantityMissing,
)
from fraudstream.engine.expression.nodes import (
    Answer,
    Arithmetic,
    Condition,
    Constant,
    Digested,
    MajorUnits,
    Quantity,
    QuantityColumn,
    Quotient,
    TextColumn,
    TextLiteral,
)


class RowSource(Protocol):
    """One payment."""

    @property
    def minor_per_major(self) -> float:
        """Minor units in one major unit of its currency."""
        ...

    @property
    def digest_key(self) -> DigestKey:
        """Of the digests of texts among its values."""
        ...

    @property
    def values(self) -> Mapping[str, float]:
        """The value of every symbol, as `ColumnSource.column` holds it; Python numbers."""
        ...

    @property
    def columns(self) -> ColumnSource:
        """Columns of this payment alone."""
        ...


V = TypeVar("V")
ValueOfRow = Callable[[RowSource], float]
TestOfRow = Callable[[RowSource], bool]

_EXACT = (operator.add, operator.sub, operator.mul)


def value_of_row(quantity: Quantity) -> ValueOfRow:
    """A function with the value of a quantity; NaN is missing."""
    match quantity:
        case Constant(value):
            constant = float(value)
            return lambda row: constant
        case MajorUnits():
            return _amount_of_row(quantity)
        case QuantityColumn(name):
            return lambda row: row.values[name]
        case Arithmetic(operation, left, right) if operation in _EXACT:
            return _both(operation, value_of_row(left), value_of_row(right))
        case Quotient(left, right):
            return _both(_quotient, value_of_row(left), value_of_row(right))
        case _:
            return lambda row: float(_only(quantity.values, row))


def test_of_row(condition: Condition) -> TestOfRow:
    """A function that tells whether a condition is true."""
    match condition:
        case QuantityComparison(when_true, _, left, right) | Not(QuantityComparison(_, when_true, left, right)):
            return _both(when_true, value_of_row(left), value_of_row(right))
        case BoolColumn(name):
            return lambda row: row.values[name] == 1
        case Not(BoolColumn(name)):
            return lambda row: row.values[name] == 0
        case OneOf(TextColumn(name), choices) if all(isinstance(choice, TextLiteral) for choice in choices):
            digests_of = _digests_of_row(choices)
            return lambda row: row.values[name] in digests_of(row)
        case Not(OneOf(TextColumn(name), choices)) if all(isinstance(choice, TextLiteral) for choice in choices):
            digests_of = _digests_of_row(choices)
            return lambda row: row.values[name] != MISSING and row.values[name] not in digests_of(row)
        case QuantityMissing(part):
            value = value_of_row(part)
            return lambda row: math.isnan(value(row))
        case _:
            return lambda row: bool(_only(condition.true, row))


def _amount_of_row(amount: MajorUnits) -> ValueOfRow:
    """An amount in minor units, which depends on the number of decimals alone."""
    known: dict[float, float] = {}

    def value(row: RowSource) -> float:
        factor = row.minor_per_major
        found = known.get(factor)
        if found is None:
            found = known[factor] = float(np.rint(amount.value * np.float64(factor)))
        return found

    return value


def _digests_of_row(literals: Sequence[Digested]) -> Callable[[RowSource], frozenset[float]]:
    """A function with the digests of texts, which depend on the key alone."""
    known: dict[DigestKey, frozenset[float]] = {}

    def digests(row: RowSource) -> frozenset[float]:
        found = known.get(row.digest_key)
        if found is None:
            made = frozenset(int(literal.digests(row.columns)) for literal in literals)
            found = known[row.digest_key] = made
        return found

    return digests


def _both(operation: Callable[[float, float], V], left: ValueOfRow, right: ValueOfRow) -> Callable[[RowSource], V]:
    return lambda row: operation(left(row), right(row))


def _quotient(dividend: float, divisor: float) -> float:
    return math.nan if divisor == 0.0 else dividend / divisor


def _only(evaluate: Callable[[ColumnSource], Answer], row: RowSource) -> Answer:
    """What a node's method gives for columns of one row: its only entry."""
    with np.errstate(all="ignore"):
        return np.ravel(evaluate(row.columns))[0]
