"""Typed nodes of a compiled expression, evaluated over whole columns.

Missing values follow Kleene's three-valued logic: arithmetic with a missing value is missing, a comparison with one is
neither true nor false, `and` is false as soon as one side is, `or` is true as soon as one side is. So a condition has
two methods, `true` and `false`. NaN is neither less, equal nor greater, which makes both cheap. Division by zero is
missing.

Only exact IEEE operations are used, element by element (+ - * /, floor division, comparisons, min, max, abs), and for
logarithms integers (`surprisal`), so results depend neither on the batch nor on the machine.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np

from fraudstream.engine.digest import digest_text
from fraudstream.engine.expression.columns import ColumnSource, DistinctTexts
from fraudstream.engine.surprisal import bursts, rarities

# A constant stays a numpy scalar until the whole expression is broadcast: operations with scalars are cheaper.
Answer = Any
Operation = Callable[[Any, Any], Any]


class Quantity(Protocol):
    """A number, an amount (minor units) or a duration (ms)."""

    def values(self, columns: ColumnSource) -> Answer:
        """float64, shape (n,) or a scalar; NaN is missing."""
        ...


class Condition(Protocol):
    """True, false, or neither where a value is missing; never both."""

    def true(self, columns: ColumnSource) -> Answer:
        """Where it is true: bool, shape (n,) or a scalar."""
        ...

    def false(self, columns: ColumnSource) -> Answer:
        """Where it is false: bool, shape (n,) or a scalar."""
        ...


class Words(Protocol):
    """Text."""

    def texts(self, columns: ColumnSource) -> DistinctTexts:
        """The texts themselves."""
        ...


class Digested(Words, Protocol):
    """Text that columns hold as digests, which are cheaper to compare than the texts."""

    def digests(self, columns: ColumnSource) -> Answer:
        """uint64, shape (n,) or a scalar; 0 is missing."""
        ...


# --- quantities


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal number or duration."""

    value: np.float64

    def values(self, columns: ColumnSource) -> Answer:
        """As `Quantity.values`."""
        return self.value


@dataclass(frozen=True, slots=True)
class MajorUnits:
    """A literal amount in major units of each payment's currency, to the nearest minor unit."""

    value: np.float64

    def values(self, columns: ColumnSource) -> Answer:
        """As `Quantity.values`."""
        return np.rint(self.value * columns.minor_per_major)


@dataclass(frozen=True, slots=True)
class QuantityColumn:
    """A field or feature that is a number, an amount or a duration."""

    name: str

    def values(self, columns: ColumnSource) -> Answer:
        """As `Quantity.values`."""
        return columns.column(self.name)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`operation` is exact in IEEE terms; for division and `round_down` use `Quotient` and `RoundedDown`."""

    operation: Operation
    left: Quantity
    right: Quantity

    def values(self, columns: ColumnSource) -> Answer:
        """As `Quantity.values`."""
        return self.operation(self.left.values(columns), self.right.values(columns))


@dataclass(frozen=True, slots=True)
class Quotient:
    """A division; by zero it is missing."""

    left: Quantity
    right: Quantity

    def values(self, columns: ColumnSource) -> Answer:
        """As `Quantity.values`."""
        divisor = self.right.values(columns)
        return self.left.values(columns) / np.where(divisor == 0.0, np.nan, divisor)


@dataclass(frozen=True, slots=True)
class RoundedDown:
    """`left` rounded down to a multiple of `step`; missing where the step is not above zero."""

    left: Quantity
    step: Quantity

    def values(self, columns: ColumnSource) -> Answer:
        """As `Quantity.values`."""
        step = self.step.values(columns)
        step = np.where(step > 0.0, step, np.nan)
        return np.floor_divide(self.left.values(columns), step) * step


RARITIES, BURSTS = rarities, bursts


@dataclass(frozen=True, slots=True)
class Surprisal:
    """Bits of surprise. `bits`: `RARITIES` of a part and its whole, or `BURSTS` of a count and an expected number."""

    bits: Callable[[Any, Any, Any], None]
    left: Quantity
    right: Quantity

    def values(self, columns: ColumnSource) -> Answer:
        """As `Quantity.values`."""
        pair = np.broadcast_arrays(self.left.values(columns), self.right.values(columns))
        left, right = (np.ascontiguousarray(np.ravel(side), np.float64) for side in pair)
        found = np.empty(len(left))
        self.bits(left, right, found)
        return found.reshape(pair[0].shape)


@dataclass(frozen=True, slots=True)
class Magnitude:
    """The absolute value."""

    part: Quantity

    def values(self, columns: ColumnSource) -> Answer:
        """As `Quantity.values`."""
        return np.abs(self.part.values(columns))


@dataclass(frozen=True, slots=True)
class Negative:
    """The negated value."""

    part: Quantity

    def values(self, columns: ColumnSource) -> Answer:
        """As `Quantity.values`."""
        return -self.part.values(columns)


# --- text


@dataclass(frozen=True, slots=True)
class TextLiteral:
    """Text in quotes."""

    text: str

    def digests(self, columns: ColumnSource) -> Answer:
        """As `Words.digests`."""
        return np.uint64(digest_text(self.text, columns.digest_key))

    def texts(self, columns: ColumnSource) -> DistinctTexts:
        """As `Words.texts`."""
        return DistinctTexts((self.text,), np.int32(0))


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A text field, an attribute or a text feature."""

    name: str

    def digests(self, columns: ColumnSource) -> Answer:
        """As `Digested.digests`."""
        return columns.column(self.name)

    def texts(self, columns: ColumnSource) -> DistinctTexts:
        """As `Words.texts`."""
        return columns.distinct_texts(self.name)


# --- conditions


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
