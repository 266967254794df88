"""Typed nodes of a compiled expression, evaluated over whole columns.

Missing values follow Kleene's three-valued logic: arithmetic with a missing value is missing, a comparison with one is
neither true nor false, `and` is false as soon as one side is, `or` is true as soon as one side is. So a condition has
two methods, `true` and `false`. NaN is neither less, equal nor greater, which makes both cheap. Division by zero is
missing.

Only exact IEEE operations are used, element by element (+ - * /, floor division, comparisons, min, max, abs), and for
logarithms integers (`surprisal`), so results depend neither on the batch nor on the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
