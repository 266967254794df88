"""Typed nodes that are true, false or neither: comparisons, membership, and what joins them. `nodes` says how."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from fraudstream.engine.expression.columns import ColumnSource
from fraudstream.engine.expression.nodes import Answer, Condition, Digested, Operation, Quantity, TextLiteral


@dataclass(frozen=True, slots=True)
class Known:
    """A literal `true` or `false`."""

    value: bool

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return np.bool_(self.value)

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        return np.bool_(not self.value)


@dataclass(frozen=True, slots=True)
class BoolColumn:
    """A field or feature that is true or false."""

    name: str

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return columns.column(self.name) == 1

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        return columns.column(self.name) == 0


def _unequal(left: Answer, right: Answer) -> Answer:
    return (left < right) | (left > right)  # unlike !=, False where one is NaN


QUANTITY_COMPARISONS: dict[str, tuple[Operation, Operation]] = {
    "<": (operator.lt, operator.ge),
    "<=": (operator.le, operator.gt),
    ">": (operator.gt, operator.le),
    ">=": (operator.ge, operator.lt),
    "==": (operator.eq, _unequal),
    "!=": (_unequal, operator.eq),
}


@dataclass(frozen=True, slots=True)
class QuantityComparison:
    """Two quantities compared; `when_true` and `when_false` are both False where one is missing."""

    when_true: Operation
    when_false: Operation
    left: Quantity
    right: Quantity

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return self.when_true(self.left.values(columns), self.right.values(columns))

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        return self.when_false(self.left.values(columns), self.right.values(columns))


@dataclass(frozen=True, slots=True)
class OneOf:
    """The text is one of `choices`; with one choice this is `==`."""

    left: Digested
    choices: tuple[Digested, ...]

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        left = self.left.digests(columns)
        found = left == self.choices[0].digests(columns)
        for choice in self.choices[1:]:
            found = found | (left == choice.digests(columns))
        # A literal's digest is never that of missing text; two columns may both miss theirs.
        return found if self._literal else found & (left != 0)

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        left = self.left.digests(columns)
        absent = left != 0
        for choice in self.choices:
            right = choice.digests(columns)
            absent = absent & (left != right)
            if not self._literal:
                absent = absent & (right != 0)
        return absent

    @property
    def _literal(self) -> bool:
        return all(isinstance(choice, TextLiteral) for choice in self.choices)


@dataclass(frozen=True, slots=True)
class OnList:
    """The text is on a list when its payment occurs. `list_column`: until when it is, 0 where it is not."""

    left: Digested
    list_column: str

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return columns.column(self.list_column) > 0

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        return (columns.column(self.list_column) == 0) & (self.left.digests(columns) != 0)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two conditions are both true or both false."""

    left: Condition
    right: Condition

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return both_answers(self, columns)[0]

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        return both_answers(self, columns)[1]


@dataclass(frozen=True, slots=True)
class Not:
    """`not`. What is neither true nor false stays so."""

    part: Condition

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return self.part.false(columns)

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        return self.part.true(columns)


@dataclass(frozen=True, slots=True)
class All:
    """`and`. The parts after one that is true nowhere in the batch can't change the answer and are not evaluated."""

    parts: tuple[Condition, ...]

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        answer = self.parts[0].true(columns)
        for part in self.parts[1:]:
            if not answer.any():
                return answer
            answer = answer & part.true(columns)
        return answer

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        answer = self.parts[0].false(columns)
        for part in self.parts[1:]:
            answer = answer | part.false(columns)
        return answer


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`or`."""

    parts: tuple[Condition, ...]

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        answer = self.parts[0].true(columns)
        for part in self.parts[1:]:
            answer = answer | part.true(columns)
        return answer

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        answer = self.parts[0].false(columns)
        for part in self.parts[1:]:
            if not answer.any():
                return answer
            answer = answer & part.false(columns)
        return answer


@dataclass(frozen=True, slots=True)
class QuantityMissing:
    """`is missing` of a quantity."""

    part: Quantity

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return np.isnan(self.part.values(columns))

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        return ~np.isnan(self.part.values(columns))


@dataclass(frozen=True, slots=True)
class TextMissing:
    """`is missing` of text."""

    part: Digested

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return self.part.digests(columns) == 0

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        return self.part.digests(columns) != 0


@dataclass(frozen=True, slots=True)
class ConditionMissing:
    """`is missing` of a condition: it is neither true nor false."""

    part: Condition

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return both_answers(self, columns)[0]

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        return both_answers(self, columns)[1]


def both_answers(condition: Condition, columns: ColumnSource) -> tuple[Answer, Answer]:
    """Where a condition is true, and where it is false; each part is evaluated once.

    `==` of conditions and `is missing` need both answers of their parts: asking for them one by one, nested in each
    other, takes 2**depth evaluations.
    """
    match condition:
        case Agreement(left, right):
            (left_true, left_false), (right_true, right_false) = (both_answers(side, columns) for side in (left, right))
            same = (left_true & right_true) | (left_false & right_false)
            return same, (left_true & right_false) | (left_false & right_true)
        case ConditionMissing(part):
            true, false = both_answers(part, columns)
            return ~(true | false), true | false
        case Not(part):
            true, false = both_answers(part, columns)
            return false, true
        case All(parts):
            true, false = zip(*(both_answers(part, columns) for part in parts), strict=True)
            return reduce(operator.and_, true), reduce(operator.or_, false)
        case AnyOf(parts):
            true, false = zip(*(both_answers(part, columns) for part in parts), strict=True)
            return reduce(operator.or_, true), reduce(operator.and_, false)
    return condition.true(columns), condition.false(columns)
